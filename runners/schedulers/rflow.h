#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "runners/schedulers/scheduler.h"

namespace teacache {

// Rectified flow as Open-Sora 1.2 samples it (arXiv 2209.03003; reference: RFLOW in
// videosys/schedulers/scheduling_rflow_open_sora.py of ali-vilab/TeaCache):
//   t_i = 1000 (1 - i / N),  z_{i+1} = z_i + v (t_i - t_{i+1}) / 1000,  v = x0 - noise
// with an optional shift of the timesteps, t' = r t / (1 + (r - 1) t) for t in [0, 1], where
// r = sqrt(height width / 512^2) sqrt(latent frames). Arithmetic is float32, as in the reference.
struct RflowOptions {
  int steps = 30;
  // Size of the video that shifts the timesteps; unset = uniform steps.
  struct Shift {
    double height = 0;      // pixels
    double width = 0;       // pixels
    double num_frames = 1;  // of the video; 1 = an image
    // The reference computes the ratio in the model's dtype.
    at::ScalarType dtype = at::kFloat;
  };
  std::optional<Shift> shift = std::nullopt;

  void Validate() const;  // throws UserError
};

// t_i for i = 0 ... steps - 1, float32 values.
std::vector<float> RflowTimesteps(const RflowOptions& options);

std::unique_ptr<Scheduler> MakeRflowScheduler(const RflowOptions& options);

}  // namespace teacache
