#include "calib/rules/policy_options.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

// The nearest entry for each of `calls` calls, as the reference resamples for other step counts.
std::vector<double> Resampled(const std::vector<double>& ratios, int calls) {
  if (ratios.empty() || static_cast<int>(ratios.size()) == calls) return ratios;
  if (calls == 1) return {ratios.back()};
  std::vector<double> resampled;
  const double scale = static_cast<double>(ratios.size() - 1) / (calls - 1);
  for (int call = 0; call < calls; ++call) {
    resampled.push_back(ratios[static_cast<size_t>(std::nearbyint(call * scale))]);
  }
  return resampled;
}

}  // namespace

std::vector<double> ReadMagRatios(const std::string& path) {
  const auto json = TryParseJson(ReadFile(path));
  const auto list = json.is_object() ? json.find("mag_ratios") : json.end();
  if (!json.is_object() || list == json.end() || !list->is_array() || list->empty()) {
    ThrowUserError(path, "must be JSON with a list \"mag_ratios\" (fit-coeffs --emit magcache)");
  }
  std::vector<double> ratios;
  for (const auto& ratio : *list) {
    if (!ratio.is_number()) ThrowUserError(path, "mag_ratios must be numbers but one is not");
    ratios.push_back(ratio.get<double>());
  }
  return ratios;
}

std::vector<bool> ParseMask(const std::string& text) {
  std::vector<bool> mask;
  for (const char c : text) {
    if (c != 'C' && c != 'S') {
      ThrowUserError("--mask", "must hold only C (computed) and S (skipped) but is '{}'", text);
    }
    mask.push_back(c == 'C');
  }
  return mask;
}

std::unique_ptr<CachePolicy> PolicyOptions::Make(int calls) const {
  if (name == "none") return MakeNoCachePolicy();
  if (name == "teacache") {
    if (polynomial.coefficients().empty()) {
      ThrowUserError("--coeffs",
                     "teacache needs the coefficients of a fit (fit-coeffs makes them)");
    }
    if (engine != "teacache" && teacache_mode == TeaCacheMode::kReference) {
      ThrowUserError("--engine",
                     "must be teacache with --teacache-mode reference, which is TeaCache's own "
                     "code, but is {}",
                     engine);
    }
    return MakeTeaCachePolicy({threshold, polynomial, FindEngineRule(engine), range});
  }
  if (name == "uniform") {
    if (computed_calls < 1 || computed_calls > calls) {
      ThrowUserError("--computed-calls", "must be 1 to {} but is {}", calls, computed_calls);
    }
    return MakeUniformPolicy(computed_calls);
  }
  if (name == "mask") {
    std::vector<bool> parsed = ParseMask(mask);
    if (static_cast<int>(parsed.size()) != calls) {
      ThrowUserError("--mask",
                     "must have one letter for each of the {} calls but has {}",
                     calls,
                     parsed.size());
    }
    if (!parsed.front()) ThrowUserError("--mask", "the first call must be computed (C)");
    return MakeMaskPolicy(std::move(parsed));
  }
  if (name == "magcache") {
    MagCacheOptions options = magcache;
    if (options.ratios.empty()) {
      ThrowUserError("--mag-ratios", "magcache needs a file of fit-coeffs --emit magcache");
    }
    options.threshold = threshold;
    options.ratios = Resampled(options.ratios, calls);
    return MakeMagCachePolicy(std::move(options));
  }
  ThrowUserError("--cache", "must be none, teacache, uniform, mask or magcache but is '{}'", name);
}

std::string PolicyOptions::Id() const {
  if (name == "teacache" && engine != name) {
    return fmt::format("{}-{}-{}", name, threshold, engine);
  }
  if (name == "teacache" || name == "magcache") return fmt::format("{}-{}", name, threshold);
  if (name == "uniform") return fmt::format("uniform-{}", computed_calls);
  if (name == "mask") return fmt::format("mask-{}", std::count(mask.begin(), mask.end(), 'C'));
  return name;
}

}  // namespace teacache
