#pragma once

#include <memory>
#include <vector>

#include "runners/schedulers/flow_sigmas.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

// UniPC, the unified predictor-corrector of arXiv 2302.04867, for flow matching (reference:
// diffusers' UniPCMultistepScheduler with use_flow_sigmas, predict_x0 and solver_type bh2). Every
// call corrects the latent by the output there, then predicts the next one. Timesteps are whole
// numbers.
struct UniPcOptions {
  int num_train_timesteps = 1000;
  int order = 2;  // 1 to 3
  bool lower_order_final = true;
  std::vector<int> disable_corrector;  // calls after which the latent is not corrected
  bool final_sigma_zero = true;        // otherwise the last sigma stays
  // What the model predicts: v = noise - x0; x0; or noise.
  enum class Prediction { kFlow, kSample, kEpsilon };
  Prediction prediction = Prediction::kFlow;
  FlowShift shift;
  SigmaList sigmas;
};

std::unique_ptr<Scheduler> MakeUniPcScheduler(const UniPcOptions& options);

}  // namespace teacache
