#include "calib/rules/cache_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::unique_ptr<CachePolicy> Identity(double threshold) {
  return MakeTeaCachePolicy({threshold, Polynomial({1, 0})});
}

// "C" for computed, "S" for skipped calls of a run with these signals.
std::string Schedule(const CachePolicy& policy, const std::vector<double>& signals) {
  PolicyState state;
  std::string schedule;
  const int calls = static_cast<int>(signals.size());
  for (int i = 0; i < calls; ++i) {
    schedule += policy.Decide({i, calls, signals[i]}, &state).compute ? 'C' : 'S';
  }
  return schedule;
}

TEST(TeaCache, SkipsWhileTheSumIsBelowTheThreshold) {
  // Sums: 0.25 S, 0.5 C (not below), 0.25 S, 0.375 S, 0.625 C; first and last forced.
  EXPECT_EQ(Schedule(*Identity(0.5), {0, 0.25, 0.25, 0.25, 0.125, 0.25, 0.125}), "CSCSSCC");
}

TEST(TeaCache, DecisionTellsWhatWasCompared) {
  const auto policy = MakeTeaCachePolicy({1.0, Polynomial({2, 0.25})});
  PolicyState state;
  PolicyDecision first = policy->Decide({0, 9, 0}, &state);
  EXPECT_TRUE(first.compute);
  EXPECT_TRUE(first.forced);
  EXPECT_EQ(first.rescaled, 0);
  PolicyDecision second = policy->Decide({1, 9, 0.25}, &state);
  EXPECT_FALSE(second.compute);
  EXPECT_FALSE(second.forced);
  EXPECT_EQ(second.rescaled, 0.75);
  EXPECT_EQ(second.accumulated, 0.75);
  PolicyDecision third = policy->Decide({2, 9, 0.25}, &state);
  EXPECT_TRUE(third.compute);
  EXPECT_EQ(third.accumulated, 1.5);
  EXPECT_EQ(state.skip.sum, 0);
}

TEST(TeaCache, NegativeValuesLowerTheSum) {
  const auto policy = MakeTeaCachePolicy({0.3, Polynomial({1, -0.25})});
  // f: 0.25, -0.25, 0.25, 0.25 -> sums 0.25 S, 0 S, 0.25 S, 0.5 C.
  EXPECT_EQ(Schedule(*policy, {0, 0.5, 0, 0.5, 0.5, 0}), "CSSSCC");
}

TEST(TeaCache, ThresholdZeroComputesEvenWhereFIsNegative) {
  const auto policy = MakeTeaCachePolicy({0.0, Polynomial({-1, -5})});
  EXPECT_EQ(Schedule(*policy, {0, 0.5, 0.1, 0.5, 0.5, 0}), "CCCCCC");
}

TEST(TeaCache, ForcedCallsNeedNoSignalAndResetTheSum) {
  const auto policy = Identity(1);
  PolicyState state{{0.9}};
  EXPECT_TRUE(policy->Decide({3, 9, kNan, true}, &state).compute);
  EXPECT_EQ(state.skip.sum, 0);
}

TEST(TeaCache, TheModelMayDecideWhichCallsAreForced) {
  PolicyState state;
  EXPECT_FALSE(Identity(1)->Decide({8, 9, 0.1, false}, &state).compute);
  EXPECT_TRUE(Identity(1)->Decide({0, 9, 0.1, false}, &state).compute);
  EXPECT_TRUE(Identity(1)->Decide({8, 9, 0.1}, &state).compute);
}

TEST(TeaCache, ComputesWhereTheSignalIsNotFinite) {
  for (const double r : {kNan, kInfinity, -kInfinity}) {
    PolicyState state;
    EXPECT_FALSE(Identity(1)->Decide({1, 9, 0.4}, &state).compute);
    const PolicyDecision decision = Identity(1)->Decide({2, 9, r}, &state);
    EXPECT_TRUE(decision.compute);
    EXPECT_EQ(decision.rescaled, 0);
    EXPECT_EQ(state.skip.sum, 0);
  }
}

TEST(TeaCache, RefusesBadOptions) {
  for (double threshold : {-0.1, kNan, kInfinity}) {
    EXPECT_THAT([&] { Identity(threshold); }, ThrowsMessage<UserError>(HasSubstr("threshold")));
  }
  EXPECT_THAT(
      [] {
        MakeTeaCachePolicy({0.1, Polynomial()});
      },
      ThrowsMessage<UserError>(HasSubstr("coefficients")));
  EXPECT_THAT(
      [] {
        MakeTeaCachePolicy({0.1, Polynomial({1, kNan})});
      },
      ThrowsMessage<UserError>(HasSubstr("finite")));
}

TEST(Decide, RefusesCallsOutsideTheRun) {
  PolicyState state;
  EXPECT_THROW(MakeNoCachePolicy()->Decide({5, 5, 0}, &state), UserError);
  EXPECT_THROW(Identity(1)->Decide({-1, 5, 0}, &state), UserError);
}

TEST(NoCache, ComputesEverything) {
  EXPECT_EQ(Schedule(*MakeNoCachePolicy(), {0, 0, 0}), "CCC");
  EXPECT_EQ(MakeNoCachePolicy()->signal(), PolicySignal::kNone);
}

TEST(UniformMask, SpreadsEvenly) {
  EXPECT_EQ(UniformMask(5, 3), (std::vector<bool>{true, false, true, false, true}));
  EXPECT_EQ(UniformMask(6, 3), (std::vector<bool>{true, false, false, true, false, true}));
  EXPECT_EQ(UniformMask(4, 4), std::vector<bool>(4, true));
  EXPECT_EQ(UniformMask(7, 2), (std::vector<bool>{true, false, false, false, false, false, true}));
  EXPECT_EQ(UniformMask(1, 1), std::vector<bool>{true});
}

TEST(UniformMask, RefusesImpossibleNumbers) {
  for (auto [calls, computed] : {std::pair{5, 6}, {5, 1}, {5, 0}, {5, -1}, {0, 0}, {1, 2}}) {
    EXPECT_THROW(UniformMask(calls, computed), UserError) << calls << " " << computed;
  }
}

TEST(Uniform, AgreesWithTheMaskForAllSmallSizes) {
  for (int calls = 1; calls <= 60; ++calls) {
    for (int computed = calls == 1 ? 1 : 2; computed <= calls; ++computed) {
      const std::vector<bool> mask = UniformMask(calls, computed);
      EXPECT_EQ(std::count(mask.begin(), mask.end(), true), computed);
      const auto policy = MakeUniformPolicy(computed);
      const auto same = MakeMaskPolicy(mask);
      const std::vector<double> signals(calls, kNan);  // not looked at
      EXPECT_EQ(Schedule(*policy, signals), Schedule(*same, signals)) << calls << " " << computed;
    }
  }
}

TEST(Uniform, RefusesMoreComputedThanCalls) {
  PolicyState state;
  EXPECT_THROW(MakeUniformPolicy(6)->Decide({0, 5, 0}, &state), UserError);
  EXPECT_THROW(MakeUniformPolicy(0), UserError);
}

TEST(Mask, MustFitTheRun) {
  PolicyState state;
  EXPECT_THROW(MakeMaskPolicy({true, false})->Decide({0, 5, 0}, &state), UserError);
  EXPECT_THROW(MakeMaskPolicy({}), UserError);
  EXPECT_THROW(MakeMaskPolicy({false, true}), UserError);
}

}  // namespace
}  // namespace teacache
