#include "runners/schedulers/noise_schedule.h"

#include <ATen/Functions.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

constexpr int64_t kMostTimesteps = 1'000'000;

at::Tensor Betas(const NoiseSchedule& schedule) {
  const int64_t n = schedule.num_train_timesteps;
  if (schedule.beta_schedule == NoiseSchedule::Betas::kLinear) {
    return at::linspace(schedule.beta_start, schedule.beta_end, n, at::kFloat);
  }
  const at::ScalarType dtype = schedule.in_double ? at::kDouble : at::kFloat;
  return at::linspace(std::sqrt(schedule.beta_start), std::sqrt(schedule.beta_end), n, dtype)
      .square();
}

// Settings that would make another scheduler.
void CheckVariant(const JsonFields& fields) {
  const std::string prediction = fields.String("prediction_type", "epsilon");
  if (prediction != "epsilon") {
    ThrowUserError(fields.where(), "prediction_type must be epsilon but is {}", prediction);
  }
  for (const std::string_view name : {"thresholding", "rescale_betas_zero_snr"}) {
    if (fields.Bool(name, false)) {
      ThrowUserError(fields.where(), "{} must be false but is true", name);
    }
  }
  if (fields.Has("trained_betas")) {
    ThrowUserError(fields.where(), "trained_betas must be null but are given");
  }
}

// null is diffusers' "not given".
nlohmann::json WithoutNulls(const nlohmann::json& json) {
  nlohmann::json given = nlohmann::json::object();
  for (const auto& [name, value] : json.items()) {
    if (!value.is_null()) given[name] = value;
  }
  return given;
}

// The value called `name` in the file; `base` when it is not there.
template <typename T>
T Choose(const JsonFields& fields,
         std::string_view name,
         const std::vector<std::pair<std::string, T>>& choices,
         T base) {
  if (!fields.Has(name)) return base;
  const std::string given = fields.String(name);
  std::string known;
  for (const auto& [text, value] : choices) {
    if (text == given) return value;
    known += (known.empty() ? "" : ", ") + text;
  }
  ThrowUserError(fields.where(), "{} must be one of {} but is {}", name, known, given);
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

NoiseSchedule ParseNoiseSchedule(const nlohmann::json& json,
                                 const std::string& where,
                                 const NoiseSchedule& base) {
  NoiseSchedule schedule = ParseBetas(json, where, base);
  const nlohmann::json file = WithoutNulls(json);
  CheckVariant(JsonFields(file, where));
  return schedule;
}

NoiseSchedule ParseBetas(const nlohmann::json& json,
                         const std::string& where,
                         const NoiseSchedule& base) {
  const JsonFields whole(json, where);  // an object
  const nlohmann::json file = WithoutNulls(json);
  const JsonFields fields(file, where);
  NoiseSchedule schedule = base;
  const auto integer = [&](std::string_view name, int fallback) {
    const int64_t value = fields.Integer(name, fallback);
    if (value < 0 || value > kMostTimesteps) {
      ThrowUserError(where, "{} must be 0 to {} but is {}", name, kMostTimesteps, value);
    }
    return static_cast<int>(value);
  };
  schedule.num_train_timesteps = integer("num_train_timesteps", base.num_train_timesteps);
  schedule.steps_offset = integer("steps_offset", base.steps_offset);
  schedule.beta_start = fields.Number("beta_start", base.beta_start);
  schedule.beta_end = fields.Number("beta_end", base.beta_end);
  schedule.set_alpha_to_one = fields.Bool("set_alpha_to_one", base.set_alpha_to_one);
  schedule.beta_schedule =
      Choose<NoiseSchedule::Betas>(fields,
                                   "beta_schedule",
                                   {{"linear", NoiseSchedule::Betas::kLinear},
                                    {"scaled_linear", NoiseSchedule::Betas::kScaledLinear}},
                                   base.beta_schedule);
  schedule.timestep_spacing =
      Choose<NoiseSchedule::Spacing>(fields,
                                     "timestep_spacing",
                                     {{"leading", NoiseSchedule::Spacing::kLeading},
                                      {"linspace", NoiseSchedule::Spacing::kLinspace},
                                      {"trailing", NoiseSchedule::Spacing::kTrailing}},
                                     base.timestep_spacing);
  schedule.Validate();
  return schedule;
}

AlphaBars::AlphaBars(const NoiseSchedule& schedule) {
  schedule.Validate();
  values_ = at::cumprod(1 - Betas(schedule), 0);
  if (schedule.snr_shift_scale != 1) {
    const double scale = schedule.snr_shift_scale;
    values_ = values_ / (scale + (1 - scale) * values_);
  }
  if (schedule.zero_terminal_snr) {
    const at::Tensor root = values_.sqrt();
    values_ = ((root - root[-1]) * (root[0] / (root[0] - root[-1]))).square();
  }
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
