#include "runners/schedulers/noise_schedule.h"

#include <ATen/Functions.h>

#include <cmath>

#include "datasets/base/error.h"
#include "datasets/base/archive.h"

namespace teacache {
namespace {

constexpr int64_t kMostTimesteps = 1'000'000;

at::Tensor Betas(const NoiseSchedule& schedule) {
  const int64_t n = schedule.num_train_timesteps;
  if (schedule.beta_schedule == NoiseSchedule::Betas::kLinear) {
    return at::linspace(schedule.beta_start, schedule.beta_end, n, at::kFloat);
  }
  return at::linspace(std::sqrt(schedule.beta_start), std::sqrt(schedule.beta_end), n, at::kFloat)
      .square();
}

// Settings that would make another scheduler.
void CheckVariant(const JsonNode& config) {
  const auto prediction = config.Given("prediction_type");
  if (prediction && prediction->String() != "epsilon") prediction->Refuse("must be epsilon");
  for (const std::string_view name : {"thresholding", "rescale_betas_zero_snr"}) {
    const auto flag = config.Given(name);
    if (flag && flag->Bool()) flag->Refuse("must be false");
  }
  if (const auto betas = config.Given("trained_betas")) betas->Refuse("must be null");
}

// The value that `name` has in the file; otherwise `value` stays.
template <typename T>
void Choose(const JsonNode& config,
            std::string_view name,
            const std::vector<std::pair<std::string, T>>& choices,
            T* value) {
  const auto given = config.Given(name);
  if (!given) return;
  std::string known;
  for (const auto& [text, choice] : choices) {
    if (text == given->String()) {
      *value = choice;
      return;
    }
    known += (known.empty() ? "" : ", ") + text;
  }
  given->Refuse("must be one of " + known);
}

int RoundedToEven(double value) { return static_cast<int>(std::nearbyint(value)); }

}  // namespace

void NoiseSchedule::Validate() const {
  if (num_train_timesteps < 1) {
    ThrowUserError(
        "scheduler", "num_train_timesteps must be at least 1 but is {}", num_train_timesteps);
  }
  if (!(beta_start > 0 && beta_end >= beta_start && beta_end < 1)) {
    ThrowUserError("scheduler",
                   "betas must be 0 < beta_start <= beta_end < 1 but are {} and {}",
                   beta_start,
                   beta_end);
  }
  if (steps_offset < 0) {
    ThrowUserError("scheduler", "steps_offset must not be negative but is {}", steps_offset);
  }
}

NoiseSchedule ParseNoiseSchedule(const JsonNode& config, const NoiseSchedule& base) {
  if (!config.is_object()) config.Refuse("must be an object");
  CheckVariant(config);
  NoiseSchedule schedule = base;
  const auto integer = [&](std::string_view name, int* value) {
    if (ReadGiven(config, name, value) && (*value < 0 || *value > kMostTimesteps)) {
      config.At(name).Refuse(fmt::format("must be 0 to {}", kMostTimesteps));
    }
  };
  integer("num_train_timesteps", &schedule.num_train_timesteps);
  integer("steps_offset", &schedule.steps_offset);
  ReadGiven(config, "beta_start", &schedule.beta_start);
  ReadGiven(config, "beta_end", &schedule.beta_end);
  ReadGiven(config, "set_alpha_to_one", &schedule.set_alpha_to_one);
  Choose(config,
         "beta_schedule",
         {{"linear", NoiseSchedule::Betas::kLinear},
          {"scaled_linear", NoiseSchedule::Betas::kScaledLinear}},
         &schedule.beta_schedule);
  Choose(config,
         "timestep_spacing",
         {{"leading", NoiseSchedule::Spacing::kLeading},
          {"linspace", NoiseSchedule::Spacing::kLinspace},
          {"trailing", NoiseSchedule::Spacing::kTrailing}},
         &schedule.timestep_spacing);
  schedule.Validate();
  return schedule;
}

AlphaBars::AlphaBars(const NoiseSchedule& schedule) {
  schedule.Validate();
  values_ = at::cumprod(1 - Betas(schedule), 0);
  final_ = schedule.set_alpha_to_one ? at::ones({}, at::kFloat) : values_[0];
}

std::vector<int> SpacedTimesteps(const NoiseSchedule& schedule,
                                 int steps,
                                 int least,
                                 const std::string& scheduler) {
  schedule.Validate();
  const int train = schedule.num_train_timesteps;
  if (steps < least || steps > train) {
    ThrowUserError("--steps", "must be {} to {} for {} but is {}", least, train, scheduler, steps);
  }
  std::vector<int> timesteps;
  for (int i = 0; i < steps; ++i) {
    switch (schedule.timestep_spacing) {
      case NoiseSchedule::Spacing::kLeading:
        timesteps.push_back(i * (train / steps) + schedule.steps_offset);
        break;
      case NoiseSchedule::Spacing::kLinspace:
        timesteps.push_back(steps == 1 ? 0 : RoundedToEven(i * ((train - 1.0) / (steps - 1))));
        break;
      case NoiseSchedule::Spacing::kTrailing:
        timesteps.push_back(
            RoundedToEven(train - (steps - 1 - i) * (static_cast<double>(train) / steps)) - 1);
        break;
    }
  }
  if (timesteps.back() >= train) {
    ThrowUserError(scheduler,
                   "timestep {} lies beyond the schedule of {}: steps_offset is too large",
                   timesteps.back(),
                   train);
  }
  return timesteps;
}

}  // namespace teacache
