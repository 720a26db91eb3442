#include "calib/rules/skip_rule.h"

#include <algorithm>
#include <cmath>

namespace teacache {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The side of `min` that a NaN is on is kept.
inline double Accumulate(double value, double threshold, const SkipLimits& limits, double sum) {
  return std::min(sum + value, limits.cap * threshold);
}

// The threshold of Advance: a sum is never below minus infinity.
double NeverForZero(double threshold) { return threshold > 0 ? threshold : -HUGE_VAL; }

// The accumulator. Without branches, so that the compiler can take several lanes into one
// instruction. A NaN compares as false, thus the call is computed.
inline bool Advance(
    double value, double threshold, const SkipLimits& limits, double* sum, double* skips) {
  const double next = Accumulate(value, threshold, limits, *sum);
  const bool skip = (next < threshold) & (*skips < limits.skips);
  *sum = skip ? next : 0.0;
  *skips = skip ? *skips + 1.0 : 0.0;
  return skip;
}

}  // namespace

double RelativeChange(const L1Sums& sums, const EngineRule& rule) {
  if (!sums.measured()) return kNan;
  const double n = static_cast<double>(sums.n);
  double denominator = sums.prev_l1 / n;
  if (rule.epsilon_kind == EngineRule::Epsilon::kAdd) denominator += rule.epsilon;
  if (rule.epsilon_kind == EngineRule::Epsilon::kFloor) {
    denominator = std::max(denominator, rule.epsilon);
  }
  if (!(denominator > 0)) return kNan;
  // Without an epsilon exactly the ratio that was fitted.
  return rule.epsilon_kind == EngineRule::Epsilon::kNone ? sums.Ratio()
                                                         : sums.diff_l1 / n / denominator;
}

double SkipValue(double x, const EngineRule& rule, const Polynomial& f, const Range& range) {
  if (!std::isfinite(x)) return kNan;
  if (rule.guards_range && range.width() > 0) {
    if (x > range.hi) return kNan;
    x = std::max(x, range.lo);
  }
  const double value = f(x);
  switch (rule.sign) {
    case EngineRule::Sign::kRaw:
      return value;
    case EngineRule::Sign::kAbsolute:
      return std::fabs(value);
    case EngineRule::Sign::kClamp:
      return std::max(0.0, value);
  }
  return value;
}

CallKind KindOfCall(const EngineRule& rule, int call, int calls) {
  if (IsForcedCall(rule, call, calls)) return CallKind::kForced;
  const bool first = IsForcedCall(rule, call - 1, calls);
  return rule.seeds_cache && first ? CallKind::kSeeding : CallKind::kDecided;
}

SkipCall MakeSkipCall(const EngineRule& rule, CallKind kind, double value) {
  if (kind == CallKind::kDecided) return {value, false};
  return {kNan, kind == CallKind::kForced && rule.keeps_sum_when_forced};
}

SkipLimits LimitsOf(const EngineRule& rule) {
  SkipLimits limits;
  if (rule.cap > 0) limits.cap = rule.cap;
  if (rule.max_consecutive_skips > 0) limits.skips = rule.max_consecutive_skips;
  return limits;
}

SkipStep StepSkipRule(const SkipCall& call,
                      double threshold,
                      const SkipLimits& limits,
                      SkipState* state) {
  if (call.keeps_sum) {
    state->skips = 0;
    return {};
  }
  const double sum = threshold > 0 ? Accumulate(call.value, threshold, limits, state->sum)
                                   : state->sum + call.value;
  const bool skip =
      Advance(call.value, NeverForZero(threshold), limits, &state->sum, &state->skips);
  return {skip, std::isnan(sum) ? 0 : sum};
}

SkipLanes::SkipLanes(const std::vector<double>& thresholds)
    : sums_(thresholds.size()), skips_(thresholds.size()), skipped_(thresholds.size()) {
  for (const double threshold : thresholds) thresholds_.push_back(NeverForZero(threshold));
}

void SkipLanes::Reset() {
  std::ranges::fill(sums_, 0.0);
  std::ranges::fill(skips_, 0.0);
}

void SkipLanes::Step(const SkipCall& call, const SkipLimits& limits) {
  if (call.keeps_sum) {
    std::ranges::fill(skips_, 0.0);
    std::ranges::fill(skipped_, 0.0);
    return;
  }
  const SkipLimits fixed = limits;  // a copy that no lane can alias
  const double value = call.value;
  const size_t n = thresholds_.size();
  const double* threshold = thresholds_.data();
  double* sum = sums_.data();
  double* skips = skips_.data();
  double* skipped = skipped_.data();
  for (size_t t = 0; t < n; ++t) {
    skipped[t] = Advance(value, threshold[t], fixed, &sum[t], &skips[t]) ? 1.0 : 0.0;
  }
}

int DecidingBranch(const EngineRule& rule, const std::vector<std::string>& branches) {
  if (rule.branches != EngineRule::Branches::kCond) return -1;
  for (size_t i = 0; i < branches.size(); ++i) {
    if (branches[i] == "cond" || branches[i] == "pos") return static_cast<int>(i);
  }
  return 0;
}

bool SkipTogether(int deciding_branch, const std::vector<bool>& skips) {
  if (deciding_branch >= 0) return skips[deciding_branch];
  return std::ranges::all_of(skips, [](bool skip) { return skip; });
}

}  // namespace teacache
