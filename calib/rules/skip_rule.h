#pragma once

// The rule that decides a skip. The sampler's policies, the replay of traces and the sweep over
// thresholds all step through this one:
//
//   forced call:   computed; sum = 0, unless the engine keeps it
//   seeding call:  computed; sum = 0 (the first call that is not forced, of engines whose forced
//                  calls fill no cache)
//   other calls:   v = sign(f(x));  sum = min(sum + v, cap * threshold)
//                  skipped iff sum < threshold and fewer than `max_consecutive_skips` calls before
//                  it were skipped in a row; else computed and sum = 0
//
// A threshold of 0 computes every call, also where v is negative. A call without a value (v is NaN,
// because x is not finite or above a guarded range) is computed and sum = 0, in live runs and in
// replays: x is not finite where the input before was 0, where the model gave NaN, and where a
// trace lacks the signal.

#include <limits>
#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "calib/rules/engine_rules.h"
#include "datasets/trace/trace.h"

namespace teacache {

// x of a call, from the sums of its modulated input: mean|a - b| / mean|b| with the engine's
// epsilon in the denominator. NaN where it is not measured or the denominator is 0.
double RelativeChange(const L1Sums& sums, const EngineRule& rule);

// v of a call. `range` is the calibrated one of x, for rules that guard it; empty (0, 0) = no
// guard.
double SkipValue(double x, const EngineRule& rule, const Polynomial& f, const Interval& range);

enum class CallKind { kForced, kSeeding, kDecided };
// By the call's position, 0 <= call < calls.
CallKind KindOfCall(const EngineRule& rule, int call, int calls);

// What one call brings to the rule.
struct SkipCall {
  double value = std::numeric_limits<double>::quiet_NaN();  // v; NaN = computed
  bool keeps_sum = false;                                   // computed without touching the sum
};
// `value` is looked at for calls of the kind kDecided only.
SkipCall MakeSkipCall(const EngineRule& rule, CallKind kind, double value);

struct SkipLimits {
  double cap = std::numeric_limits<double>::max();         // of the sum, in thresholds
  double skips = std::numeric_limits<double>::infinity();  // in a row
};
SkipLimits LimitsOf(const EngineRule& rule);

// What a branch of a sample remembers from call to call.
struct SkipState {
  double sum = 0;
  double skips = 0;  // in a row, up to the last call
};

struct SkipStep {
  bool skip = false;
  double sum = 0;  // what was compared with the threshold; 0 for a call without a value
};

// One call. Branches that decide together each step with their own values and decisions
// (SkipTogether then joins the decisions).
SkipStep StepSkipRule(const SkipCall& call,
                      double threshold,
                      const SkipLimits& limits,
                      SkipState* state);

// The same for many thresholds side by side, one lane for each.
class SkipLanes {
 public:
  explicit SkipLanes(const std::vector<double>& thresholds);

  void Reset();
  void Step(const SkipCall& call, const SkipLimits& limits);
  // 1 = the last call is skipped, 0 = computed; [thresholds].
  const std::vector<double>& skipped() const { return skipped_; }

 private:
  std::vector<double> thresholds_;  // minus infinity for 0
  std::vector<double> sums_;
  std::vector<double> skips_;
  std::vector<double> skipped_;
};

// Which of the branches that decide together decides for all; -1 = a call is skipped only if every
// one of them skips it.
int DecidingBranch(const EngineRule& rule, const std::vector<std::string>& branches);
bool SkipTogether(int deciding_branch, const std::vector<bool>& skips);

}  // namespace teacache
