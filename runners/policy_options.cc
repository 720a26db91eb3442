#include "runners/policy_options.h"

#include <algorithm>

#include "datasets/error.h"

namespace teacache {

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
    return MakeTeaCachePolicy({threshold, polynomial});
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
  ThrowUserError("--cache", "must be none, teacache, uniform or mask but is '{}'", name);
}

std::string PolicyOptions::Id() const {
  if (name == "teacache") return fmt::format("teacache-{}", threshold);
  if (name == "uniform") return fmt::format("uniform-{}", computed_calls);
  if (name == "mask") return fmt::format("mask-{}", std::count(mask.begin(), mask.end(), 'C'));
  return name;
}

}  // namespace teacache
