#pragma once

#include <memory>

#include "runners/schedulers/noise_schedule.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

// DPM-Solver++ with several steps (arXiv 2211.01095; reference: diffusers'
// DPMSolverMultistepScheduler with algorithm_type dpmsolver++), for DDPM-like noise schedules and
// for flow matching. Timesteps are whole numbers.
struct DpmSolverOptions {
  NoiseSchedule schedule;
  int steps = 20;
  int order = 2;         // 1 to 3
  bool midpoint = true;  // of order 2; otherwise Heun
  bool lower_order_final = true;
  bool euler_at_final = false;
  bool final_sigma_zero = true;  // otherwise that of timestep 0
  bool flow = false;             // x = (1 - sigma) x0 + sigma noise, shifted by flow_shift
  double flow_shift = 1;
  // What the model predicts: noise; x0; v = alpha noise - sigma x0; or noise - x0.
  enum class Prediction { kEpsilon, kSample, kV, kFlow };
  Prediction prediction = Prediction::kEpsilon;
};

std::unique_ptr<Scheduler> MakeDpmSolverScheduler(const DpmSolverOptions& options);

}  // namespace teacache
