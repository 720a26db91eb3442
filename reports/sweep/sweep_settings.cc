#include "reports/sweep/sweep_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "calib/replay/replay.h"
#include "calib/rules/fixed_schedules.h"
#include "datasets/base/error.h"

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
  // Schedules compute the first and the last call; TeaCache's reference mode may do with less.
  const int scheduled = std::max(computed, std::min(2, system_.info().calls));
  method.system = &system_;
  method.spec.Set("cache", setting.policy);
  if (setting.policy == "teacache") {
    const std::vector<double>& coefficients = calibration_.sets[setting.set].coefficients;
    method.policy = MakeTeaCachePolicy({setting.threshold, Polynomial(coefficients)});
    method.spec.Set("threshold", setting.threshold);
    method.spec.Set("coefficients", coefficients);
    method.spec.Set("teacache_mode", std::string(NameOf(kTeaCacheModes, mode_)));
    method.sampling.teacache_mode = mode_;
  } else if (setting.policy == "uniform") {
    method.policy = MakeUniformPolicy(scheduled);
    method.spec.Set("computed_calls", scheduled);
  } else if (setting.policy == "mask") {
    const std::vector<bool> mask = StepMask(calibration_.change, scheduled);
    method.policy = MakeMaskPolicy(mask);
    method.spec.Set("mask", ScheduleText(mask));
  } else if (setting.policy == "magcache") {
    auto [found, inserted] = magcache_.try_emplace(computed);
    if (inserted) found->second = MatchMagCache(calibration_.ratios, computed);
    method.policy = MakeMagCachePolicy(found->second);
    method.spec.Set("mask", ScheduleText(MagCacheSchedule(found->second)));
  } else if (setting.policy == "steps") {
    method.system = &WithCalls(computed);
    method.policy = MakeNoCachePolicy();
    method.spec.Set("steps", method.system->info().steps);
  } else {
    method.policy = MakeNoCachePolicy();
  }
  return method;
}

const System& SweepMethods::WithCalls(int calls) {
  if (calls == system_.info().calls) return system_;
  auto& nearest = fewer_steps_[calls];
  // Most schedulers make one call a step. Others make some more at the start, and have a fewest
  // number of steps.
  for (int steps = calls; steps >= 1 && TakeNearer(calls, steps, &nearest); --steps) {
  }
  for (int steps = calls + 1; !nearest && steps < system_.info().steps; ++steps) {
    TakeNearer(calls, steps, &nearest);
  }
  return nearest ? *nearest : system_;
}

bool SweepMethods::TakeNearer(int calls, int steps, std::unique_ptr<System>* nearest) const {
  std::unique_ptr<System> candidate;
  try {
    candidate = system_.WithSteps(steps);
  } catch (const UserError&) {
    return false;  // the scheduler cannot make so few
  }
  if (!candidate) {
    ThrowUserError("steps", "{} cannot change its number of steps", system_.info().name);
  }
  const int made = candidate->info().calls;
  if (!*nearest || std::abs(made - calls) < std::abs((*nearest)->info().calls - calls)) {
    *nearest = std::move(candidate);
  }
  return made > calls;
}

}  // namespace teacache
