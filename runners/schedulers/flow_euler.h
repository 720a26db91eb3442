#pragma once

#include <memory>

#include "runners/schedulers/flow_sigmas.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

// Euler's method for flow matching (reference: diffusers' FlowMatchEulerDiscreteScheduler, without
// stochastic sampling): x' = x + (sigma' - sigma) v, in float32, rounded to v's dtype. Its own
// list of noise levels is even from the largest to the smallest of the shifted training ones, and
// shifted once more.
struct FlowEulerOptions {
  int num_train_timesteps = 1000;
  FlowShift shift;
  bool invert_sigmas = false;  // 1 - sigma, the last one 1: Mochi
  SigmaList sigmas;
};

std::unique_ptr<Scheduler> MakeFlowEulerScheduler(const FlowEulerOptions& options);

}  // namespace teacache
