#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calib/rules/cache_policy.h"
#include "calib/rules/teacache_mode.h"
#include "reports/sweep/sweep.h"
#include "reports/sweep/sweep_calibration.h"
#include "runners/sampling/policy_record.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/system.h"

namespace teacache {

// A row of a sweep.
struct SweepSetting {
  std::string id;  // "none", "teacache-0.1", "uniform-as-0.1", "teacache-0.1-published"
  std::string policy;
  int set = -1;          // index of the coefficient set; -1 = none
  double threshold = 0;  // of teacache, and of the teacache setting that a baseline matches
  std::string matches;   // id of that one
};

// Uncached first, then TeaCache, then the baselines one after the other; a baseline comes after
// what it matches. `thresholds` are those of each coefficient set in options.coeffs.
std::vector<SweepSetting> MakeSettings(const std::vector<std::string>& sets,
                                       const std::vector<std::vector<double>>& thresholds,
                                       const std::vector<std::string>& baselines);

// How one video of a setting is made.
struct SweepMethod {
  std::shared_ptr<const CachePolicy> policy;
  const System* system = nullptr;  // with fewer steps another one than the sweep's
  SampleOptions sampling;
  PolicyRecord spec;
};

// Makes the methods of settings; keeps the systems with fewer steps and MagCache's settings.
class SweepMethods {
 public:
  SweepMethods(const System& system, const SweepCalibration& calibration, TeaCacheMode mode)
      : system_(system), calibration_(calibration), mode_(mode) {}

  // `computed`: calls of each branch that a baseline may compute, or as near to it as it can; not
  // looked at for others. Throws UserError.
  SweepMethod Make(const SweepSetting& setting, int computed);

 private:
  // With as many calls, or as nearly as many as the scheduler can make.
  const System& WithCalls(int calls);
  // Takes the system of so many steps when it is nearer. False when still fewer steps are no use.
  bool TakeNearer(int calls, int steps, std::unique_ptr<System>* nearest) const;

  const System& system_;
  const SweepCalibration& calibration_;
  TeaCacheMode mode_;
  std::map<int, MagCacheOptions> magcache_;             // by computed calls
  std::map<int, std::unique_ptr<System>> fewer_steps_;  // by calls asked for
};

}  // namespace teacache
