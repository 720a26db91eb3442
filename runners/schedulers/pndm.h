#pragma once

#include <memory>
#include <vector>

#include "runners/schedulers/noise_schedule.h"
#include "runners/schedulers/scheduler.h"

namespace teacache {

// Pseudo numerical methods for diffusion models (arXiv 2202.09778; reference: diffusers'
// PNDMScheduler) with Runge-Kutta warm-up, as Open-Sora-Plan 1.1 samples. The first three steps
// take four transformer calls each; every later one takes one call and extrapolates linearly from
// the last four outputs. So n steps are n + 9 calls. With r = num_train_timesteps / n the
// Runge-Kutta calls go to t - r / 2 (integers), whatever the list of timesteps says.
struct PndmOptions {
  NoiseSchedule schedule = {.set_alpha_to_one = false};
  int steps = 150;  // >= 4
};

// Timestep of every call: 894 891 891 888 888 ... 876 870 864 ... 6 0 for 150 steps.
std::vector<int> PndmTimesteps(const PndmOptions& options);

std::unique_ptr<Scheduler> MakePndmScheduler(const PndmOptions& options);

}  // namespace teacache
