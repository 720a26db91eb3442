#pragma once

#include <memory>
#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "calib/rules/cache_policy.h"
#include "calib/rules/teacache_mode.h"

namespace teacache {

// A cache policy by name with its parameters, as programs and run folders give it.
struct PolicyOptions {
  std::string name = "none";        // "none", "teacache", "uniform", "mask", "magcache"
  double threshold = 0.1;           // teacache, magcache: >= 0
  Polynomial polynomial;            // teacache
  std::string engine = "teacache";  // teacache: whose rule decides (FindEngineRule)
  Interval range;  // teacache: calibrated x, for engines that guard it; (0, 0) = unknown
  TeaCacheMode teacache_mode = TeaCacheMode::kStrict;
  int computed_calls = 0;  // uniform
  std::string mask;        // mask: "CCSC...", C computed, S skipped, one letter per call
  // magcache: ratios (resampled where they are not one per call), limits; its threshold is not
  // used.
  MagCacheOptions magcache;

  // Throws UserError for anything that does not fit a run of `calls` calls.
  std::unique_ptr<CachePolicy> Make(int calls) const;
  // "none", "teacache-0.1", "teacache-0.1-comfyui", "uniform-12", "mask-12": for folders and
  // reports.
  std::string Id() const;
};

// The ratios in a file of `fit-coeffs --emit magcache`, {"mag_ratios": [...]}. Throws UserError.
std::vector<double> ReadMagRatios(const std::string& path);

// "CCSC" -> true, true, false, true. Throws UserError for other letters.
std::vector<bool> ParseMask(const std::string& text);

}  // namespace teacache
