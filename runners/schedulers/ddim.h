#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "runners/schedulers/noise_schedule.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

// DDIM without added noise (arXiv 2010.02502, eta = 0; reference: diffusers' DDIMScheduler), as
// Latte samples. With a = alpha_bar_t and a' = alpha_bar of t - num_train_timesteps / steps:
//   x0 = (x - sqrt(1 - a) eps) / sqrt(a),  x' = sqrt(a') x0 + sqrt(1 - a') eps
struct DdimOptions {
  NoiseSchedule schedule;
  int steps = 50;
  // What the model predicts: eps; x0; or v = sqrt(a) eps - sqrt(1 - a) x0.
  enum class Prediction { kEpsilon, kSample, kV };
  Prediction prediction = Prediction::kEpsilon;
  std::optional<double> clip = std::nullopt;  // x0 to [-clip, clip]; eps stays
};

// Descending: 980, 960, ..., 0 for 50 steps of 1000 with "leading" spacing.
std::vector<int> DdimTimesteps(const DdimOptions& options);

// x0 of above from alpha_bar_t.
at::Tensor PredictOriginal(const at::Tensor& sample,
                           const at::Tensor& epsilon,
                           const at::Tensor& alpha_bar);

std::unique_ptr<Scheduler> MakeDdimScheduler(const DdimOptions& options);

}  // namespace teacache
