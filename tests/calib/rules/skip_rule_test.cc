#include "calib/rules/skip_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace teacache {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// "C" computed, "S" skipped, for values of calls that the rule decides.
std::string Decisions(const SkipLimits& limits,
                      double threshold,
                      const std::vector<double>& values) {
  SkipState state;
  std::string text;
  for (const double value : values) {
    text += StepSkipRule({value, false}, threshold, limits, &state).skip ? 'S' : 'C';
  }
  return text;
}

TEST(StepSkipRule, SkipsWhileTheSumIsBelowTheThreshold) {
  // Sums: 0.25 S, 0.5 is not below C, 0.25 S, -0.5 S, 0 S, 0.5 C.
  EXPECT_EQ(Decisions({}, 0.5, {0.25, 0.25, 0.25, -0.75, 0.5, 0.5}), "SCSSSC");
}

TEST(StepSkipRule, ThresholdZeroComputesAlsoNegativeValues) {
  EXPECT_EQ(Decisions({}, 0, {-1, 0, 1, -1}), "CCCC");
  SkipLimits capped;
  capped.cap = 2;
  EXPECT_EQ(Decisions(capped, 0, {-1, 0, 1, -1}), "CCCC");
}

TEST(StepSkipRule, TheCapBoundsWhatIsCompared) {
  SkipLimits limits;
  limits.cap = 2;
  SkipState state;
  const SkipStep step = StepSkipRule({5, false}, 0.5, limits, &state);
  EXPECT_FALSE(step.skip);
  EXPECT_EQ(step.sum, 1);
  EXPECT_EQ(state.sum, 0);
}

TEST(StepSkipRule, TheLimitOfSkipsInARow) {
  SkipLimits limits;
  limits.skips = 2;
  EXPECT_EQ(Decisions(limits, 1, {0, 0, 0, 0, 0, 0}), "SSCSSC");
}

TEST(StepSkipRule, ACallWithoutAValueIsComputedAndClearsTheSum) {
  SkipState state{0.4, 1};
  const SkipStep step = StepSkipRule({}, 0.5, {}, &state);
  EXPECT_FALSE(step.skip);
  EXPECT_EQ(step.sum, 0);
  EXPECT_EQ(state.sum, 0);
  EXPECT_EQ(state.skips, 0);
}

TEST(StepSkipRule, AForcedCallMayKeepTheSum) {
  EngineRule keeping;
  keeping.keeps_sum_when_forced = true;
  SkipState state{0.4, 3};
  EXPECT_FALSE(StepSkipRule(MakeSkipCall(keeping, CallKind::kForced, 9), 0.5, {}, &state).skip);
  EXPECT_EQ(state.sum, 0.4);
  EXPECT_EQ(state.skips, 0);
  // A seeding call, and a forced one of other engines, clear it.
  StepSkipRule(MakeSkipCall(keeping, CallKind::kSeeding, 0), 0.5, {}, &state);
  EXPECT_EQ(state.sum, 0);
  state.sum = 0.4;
  StepSkipRule(MakeSkipCall({}, CallKind::kForced, 0), 0.5, {}, &state);
  EXPECT_EQ(state.sum, 0);
}

TEST(KindOfCall, ByPosition) {
  const auto kinds = [](const EngineRule& rule, int calls) {
    std::string text;
    for (int call = 0; call < calls; ++call) {
      text += "FSD"[static_cast<int>(KindOfCall(rule, call, calls))];
    }
    return text;
  };
  EngineRule rule;
  EXPECT_EQ(kinds(rule, 6), "FDDDDF");
  EXPECT_EQ(kinds(rule, 1), "F");
  rule.first_computed = 0;  // call 0 has nothing to reuse
  rule.last_computed = 0;
  EXPECT_EQ(kinds(rule, 4), "FDDD");
  rule.first_computed = 2;
  rule.last_computed = 1;
  rule.seeds_cache = true;
  EXPECT_EQ(kinds(rule, 6), "FFSDDF");
  EXPECT_EQ(kinds(rule, 3), "FFF");
}

TEST(SkipValue, SignAndRange) {
  const Polynomial f({1, -0.5});
  EngineRule rule;
  const Interval range = {0.2, 0.6};
  EXPECT_EQ(SkipValue(0.25, rule, f, range), -0.25);
  EXPECT_EQ(SkipValue(0.7, rule, f, range), 0.7 - 0.5);
  rule.sign = EngineRule::Sign::kAbsolute;
  EXPECT_EQ(SkipValue(0.25, rule, f, range), 0.25);
  rule.sign = EngineRule::Sign::kClamp;
  EXPECT_EQ(SkipValue(0.25, rule, f, range), 0);
  for (const double x : {kNan, HUGE_VAL, -HUGE_VAL}) {
    EXPECT_TRUE(std::isnan(SkipValue(x, rule, f, range))) << x;
  }
  rule.sign = EngineRule::Sign::kRaw;
  rule.guards_range = true;
  EXPECT_EQ(SkipValue(0.1, rule, f, range), 0.2 - 0.5);
  EXPECT_TRUE(std::isnan(SkipValue(0.7, rule, f, range)));
  EXPECT_EQ(SkipValue(0.7, rule, f, {}), 0.7 - 0.5);  // no range is known
}

TEST(SkipLanes, EqualSingleSteps) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform(-0.1, 0.4);
  const std::vector<double> thresholds = {0, 1e-3, 0.1, 0.25, 0.5, 1, 2.5};
  for (const EngineRule& rule : EngineRules()) {
    const SkipLimits limits = LimitsOf(rule);
    SkipLanes lanes(thresholds);
    std::vector<SkipState> states(thresholds.size());
    int skips = 0;
    for (int run = 0; run < 3; ++run) {
      lanes.Reset();
      std::ranges::fill(states, SkipState());
      for (int call = 0; call < 40; ++call) {
        const double value = call % 11 == 10 ? kNan : uniform(random);
        const SkipCall step = MakeSkipCall(rule, KindOfCall(rule, call, 40), value);
        lanes.Step(step, limits);
        for (size_t t = 0; t < thresholds.size(); ++t) {
          const bool skip = StepSkipRule(step, thresholds[t], limits, &states[t]).skip;
          EXPECT_EQ(lanes.skipped()[t], skip ? 1 : 0) << rule.name << " " << thresholds[t];
          skips += skip;
        }
      }
    }
    EXPECT_GT(skips, 100) << rule.name;
  }
}

TEST(SkipTogether, EitherOrTheConditionalBranch) {
  EngineRule rule;
  rule.branches = EngineRule::Branches::kEither;
  EXPECT_EQ(DecidingBranch(rule, {"uncond", "cond"}), -1);
  EXPECT_TRUE(SkipTogether(-1, {true, true}));
  EXPECT_FALSE(SkipTogether(-1, {true, false}));
  rule.branches = EngineRule::Branches::kCond;
  EXPECT_EQ(DecidingBranch(rule, {"uncond", "cond"}), 1);
  EXPECT_EQ(DecidingBranch(rule, {"neg", "pos"}), 1);
  EXPECT_EQ(DecidingBranch(rule, {"batched"}), 0);
  EXPECT_TRUE(SkipTogether(1, {false, true}));
}

}  // namespace
}  // namespace teacache
