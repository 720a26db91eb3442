#include "calib/rules/policy_options.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "calib/rules/forecast_weights.h"
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

// Calls f with the default of every policy, in order.
template <typename Function>
void ForEachPolicy(const Function& f) {
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    (f(std::variant_alternative_t<kIndex, PolicyOptions>()), ...);
  }
  (std::make_index_sequence<std::variant_size_v<PolicyOptions>>());
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

std::unique_ptr<CachePolicy> NoCache::Make(int /*calls*/) const { return MakeNoCachePolicy(); }

std::unique_ptr<CachePolicy> TeaCache::Make(int /*calls*/) const {
  if (polynomial.coefficients().empty()) {
    ThrowUserError("--coeffs", "teacache needs the coefficients of a fit (fit-coeffs makes them)");
  }
  if (engine != kName && mode == TeaCacheMode::kReference) {
    ThrowUserError("--engine",
                   "must be teacache with --teacache-mode reference, which is TeaCache's own "
                   "code, but is {}",
                   engine);
  }
  return MakeTeaCachePolicy({threshold, polynomial, FindEngineRule(engine), range});
}

std::string TeaCache::Id() const {
  std::string id = fmt::format("{}-{}", kName, threshold);
  if (engine != kName) id += "-" + engine;
  return id;
}

std::unique_ptr<CachePolicy> UniformSkipping::Make(int calls) const {
  if (computed_calls < 1 || computed_calls > calls) {
    ThrowUserError("--computed-calls", "must be 1 to {} but is {}", calls, computed_calls);
  }
  return MakeUniformPolicy(computed_calls);
}

std::unique_ptr<CachePolicy> FixedMask::Make(int calls) const {
  std::vector<bool> parsed = ParseMask(mask);
  if (static_cast<int>(parsed.size()) != calls) {
    ThrowUserError(
        "--mask", "must have one letter for each of the {} calls but has {}", calls, parsed.size());
  }
  if (!parsed.front()) ThrowUserError("--mask", "the first call must be computed (C)");
  return MakeMaskPolicy(std::move(parsed));
}

std::string FixedMask::Id() const {
  return fmt::format("{}-{}", kName, std::ranges::count(mask, 'C'));
}

std::unique_ptr<CachePolicy> PlannedMask::Make(int calls) const {
  if (mask.empty()) ThrowUserError("--plan", "schedule needs a file of fit-coeffs plan");
  return FixedMask::Make(calls);
}

std::string PlannedMask::Id() const {
  return fmt::format("{}-{}", kName, std::ranges::count(mask, 'C'));
}

std::unique_ptr<CachePolicy> MagCache::Make(int calls) const {
  MagCacheOptions options = *this;
  if (options.ratios.empty()) {
    ThrowUserError("--mag-ratios", "magcache needs a file of fit-coeffs --emit magcache");
  }
  options.ratios = Resampled(options.ratios, calls);
  return MakeMagCachePolicy(std::move(options));
}

std::unique_ptr<CachePolicy> FirstBlockCache::Make(int /*calls*/) const {
  return MakeFirstBlockPolicy(*this);
}

std::unique_ptr<CachePolicy> EasyCache::Make(int /*calls*/) const {
  return MakeEasyCachePolicy(*this);
}

std::unique_ptr<CachePolicy> IntervalSkipping::Make(int calls) const {
  if (interval < 1 || interval > calls) {
    ThrowUserError("--interval", "must be 1 to {} but is {}", calls, interval);
  }
  std::vector<bool> computed;
  for (int call = 0; call < calls; ++call) computed.push_back(call % interval == 0);
  return MakeMaskPolicy(std::move(computed));
}

std::string PolicyName(const PolicyOptions& options) {
  return std::visit([](const auto& policy) { return std::string(policy.kName); }, options);
}

std::string PolicyId(const PolicyOptions& options) {
  return std::visit([](const auto& policy) { return policy.Id(); }, options);
}

std::unique_ptr<CachePolicy> MakePolicy(const PolicyOptions& options, int calls) {
  return std::visit([calls](const auto& policy) { return policy.Make(calls); }, options);
}

void CheckForecast(int order, const CachePolicy& policy, int calls) {
  CheckForecastOrder(order);
  if (policy.signal() != PolicySignal::kNone) return;
  PolicyState state;
  int computed = 0;
  for (int call = 0; call < calls; ++call) {
    computed += policy.Decide({call, calls}, &state).compute ? 1 : 0;
  }
  if (computed == calls || computed > order) return;
  ThrowUserError("--forecast",
                 "must be less than the {} computed calls of a run, which it is made of, but is {}",
                 computed,
                 order);
}

PolicyOptions DefaultPolicy(std::string_view name) {
  std::optional<PolicyOptions> found;
  ForEachPolicy([&](const auto& policy) {
    if (policy.kName == name) found = policy;
  });
  if (!found) ThrowUserError("--cache", "must be {} but is '{}'", PolicyNames(), name);
  return *found;
}

std::string PolicyNames() {
  std::vector<std::string_view> names;
  ForEachPolicy([&](const auto& policy) { names.push_back(policy.kName); });
  const std::string_view last = names.back();
  names.pop_back();
  return fmt::format("{} or {}", fmt::join(names, ", "), last);
}

std::string_view LabelOfPolicy(std::string_view name) {
  std::string_view label;
  ForEachPolicy([&](const auto& policy) {
    if (policy.kName == name) label = policy.kLabel;
  });
  return label;
}

}  // namespace teacache
