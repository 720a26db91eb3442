#include "reports/sweep_settings.h"

#include <fmt/format.h>

#include <utility>

#include "calib/fixed_schedules.h"
#include "calib/replay.h"
#include "datasets/error.h"

namespace teacache {

std::vector<SweepSetting> MakeSettings(const std::vector<std::string>& sets,
                                       const std::vector<std::vector<double>>& thresholds,
                                       const std::vector<std::string>& baselines) {
  std::vector<SweepSetting> settings = {{"none", "none", -1, 0, ""}};
  std::vector<SweepSetting> teacache;
  for (size_t set = 0; set < sets.size(); ++set) {
    const std::string suffix = set == 0 ? "" : "-" + sets[set];
    for (const double threshold : thresholds[set]) {
      teacache.push_back({fmt::format("teacache-{}{}", threshold, suffix),
                          "teacache",
                          static_cast<int>(set),
                          threshold,
                          ""});
    }
  }
  settings.insert(settings.end(), teacache.begin(), teacache.end());
  for (const std::string& baseline : baselines) {
    for (const SweepSetting& matched : teacache) {
      SweepSetting setting = matched;
      // "teacache-0.1-published" -> "uniform-as-0.1-published"
      setting.id = baseline + "-as" + matched.id.substr(matched.policy.size());
      setting.policy = baseline;
      setting.matches = matched.id;
      settings.push_back(std::move(setting));
    }
  }
  return settings;
}

SweepMethod SweepMethods::Make(const SweepSetting& setting, int computed) {
  SweepMethod method;
  method.system = &system_;
  method.spec = {{"cache", setting.policy}};
  if (setting.policy == "teacache") {
    const std::vector<double>& coefficients = calibration_.sets[setting.set].coefficients;
    method.policy = MakeTeaCachePolicy({setting.threshold, Polynomial(coefficients)});
    method.spec["threshold"] = setting.threshold;
    method.spec["coefficients"] = coefficients;
  } else if (setting.policy == "uniform") {
    method.policy = MakeUniformPolicy(computed);
    method.spec["computed_calls"] = computed;
  } else if (setting.policy == "mask") {
    const std::vector<bool> mask = StepMask(calibration_.change, computed);
    method.policy = MakeMaskPolicy(mask);
    method.spec["mask"] = ScheduleText(mask);
  } else if (setting.policy == "magcache") {
    auto [found, inserted] = magcache_.try_emplace(computed);
    if (inserted) found->second = MatchMagCache(calibration_.ratios, computed);
    method.policy = MakeMagCachePolicy(found->second);
    method.spec["mask"] = ScheduleText(MagCacheSchedule(found->second));
  } else if (setting.policy == "steps") {
    method.system = &WithCalls(computed);
    method.policy = MakeNoCachePolicy();
    method.spec["steps"] = method.system->info().steps;
  } else {
    method.policy = MakeNoCachePolicy();
  }
  return method;
}

const System& SweepMethods::WithCalls(int calls) {
  if (calls == system_.info().calls) return system_;
  auto& system = fewer_steps_[calls];
  if (system) return *system;
  // Most schedulers make one call a step; others make some more at the start.
  for (int steps = calls; steps >= 1 && !system; --steps) {
    auto candidate = system_.WithSteps(steps);
    if (!candidate) {
      ThrowUserError("steps", "{} cannot change its number of steps", system_.info().name);
    }
    const int made = candidate->info().calls;
    if (made == calls) system = std::move(candidate);
    if (made < calls) break;
  }
  if (!system) {
    ThrowUserError(
        "steps", "no number of steps makes {} calls of {}", calls, system_.info().scheduler);
  }
  return *system;
}

}  // namespace teacache
