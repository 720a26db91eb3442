#pragma once

#include <ATen/core/Tensor.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace teacache {

// The noise schedule of DDPM-like schedulers, as diffusers computes it: betas from beta_start to
// beta_end ("linear", or linear in their square roots), alpha_bar_t = prod_{s <= t} (1 - beta_s).
// Fields of scheduler_config.json by their names; the defaults are diffusers'.
struct NoiseSchedule {
  int num_train_timesteps = 1000;
  double beta_start = 1e-4;
  double beta_end = 0.02;
  enum class Betas { kLinear, kScaledLinear };
  Betas beta_schedule = Betas::kLinear;
  // alpha_bar beyond the last step: 1, or that of timestep 0.
  bool set_alpha_to_one = true;
  // Where the timesteps of n steps lie: i T / n in whole numbers; evenly from 0 to T - 1; or evenly
  // downwards from T - 1.
  enum class Spacing { kLeading, kLinspace, kTrailing };
  Spacing timestep_spacing = Spacing::kLeading;
  int steps_offset = 0;  // added to every timestep of "leading"
  // As CogVideoX's schedulers: betas in double; alpha_bar / (s + (1 - s) alpha_bar), s the scale;
  // then shifted and scaled so that the square root of the last one is 0.
  bool in_double = false;
  double snr_shift_scale = 1;
  bool zero_terminal_snr = false;

  void Validate() const;  // throws UserError
};

// `base` with what a scheduler_config.json says; `where` names the file in messages. Throws
// UserError for a setting that is not supported (other predictions than epsilon, given betas,
// thresholding). clip_sample is not looked at: the pipelines that use these schedulers switch it
// off.
NoiseSchedule ParseNoiseSchedule(const nlohmann::json& json,
                                 const std::string& where,
                                 const NoiseSchedule& base = {});

// The same without looking at the kind of prediction and at rescale_betas_zero_snr.
NoiseSchedule ParseBetas(const nlohmann::json& json,
                         const std::string& where,
                         const NoiseSchedule& base = {});

// alpha_bar_t of every timestep, with what stands for alpha_bar before timestep 0.
class AlphaBars {
 public:
  explicit AlphaBars(const NoiseSchedule& schedule);

  // 0-dim float32 (double with in_double) on the CPU, which operators take on any device; t < 0
  // gives the final value.
  at::Tensor At(int t) const { return t < 0 ? final_ : values_[t]; }
  const at::Tensor& values() const { return values_; }  // [num_train_timesteps]

 private:
  at::Tensor values_;
  at::Tensor final_;
};

// Timesteps of `steps` denoising steps, ascending. Throws UserError unless `steps` is `least` to
// num_train_timesteps and no timestep lies beyond the schedule.
std::vector<int> SpacedTimesteps(const NoiseSchedule& schedule,
                                 int steps,
                                 int least,
                                 const std::string& scheduler);

}  // namespace teacache
