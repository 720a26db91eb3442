#include "calib/pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"
#include "tests/support/matchers.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using Branches = PairOptions::Branches;
using Target = PairOptions::Target;

TraceRow Row(const std::string& prompt,
             int64_t seed,
             const std::string& branch,
             int call,
             double x,
             double y) {
  TraceRow row;
  row.prompt = prompt;
  row.seed = seed;
  row.branch = branch;
  row.call = call;
  row.step = call;
  if (call > 0) {
    row.mod = {x * 100, 100, 10};
    row.res = {y * 50, 50, 20};
    row.out = {2 * y * 50, 50, 20};
  }
  return row;
}

Trace TwoBranches() {
  Trace trace;
  trace.header.steps = trace.header.calls = 4;
  for (const char* prompt : {"b", "a"}) {
    for (int call = 0; call < 4; ++call) {
      trace.rows.push_back(Row(prompt, 0, "cond", call, 0.1 * call, 0.2 * call));
      trace.rows.push_back(Row(prompt, 0, "uncond", call, 0.3 * call, 0.1));
    }
  }
  return trace;
}

TEST(ExtractPairs, AllBranchesInOrder) {
  const PairSet set = ExtractPairs(TwoBranches());
  EXPECT_EQ(set.prompts, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(set.branches, (std::vector<std::string>{"cond", "uncond"}));
  EXPECT_EQ(set.calls, 4);
  EXPECT_TRUE(Near(Xs(set), std::vector{.1, .2, .3, .3, .6, .9, .1, .2, .3, .3, .6, .9}, 1e-15, 0));
  EXPECT_TRUE(Near(Ys(set), std::vector{.2, .4, .6, .1, .1, .1, .2, .4, .6, .1, .1, .1}, 1e-15, 0));
  EXPECT_EQ(set.pairs[4].call, 2);
  EXPECT_EQ(set.pairs[4].branch, 1);
  EXPECT_EQ(set.pairs[6].prompt, 1);
}

TEST(ExtractPairs, Target) {
  EXPECT_TRUE(Near(Ys(ExtractPairs(TwoBranches(), {.target = Target::kOutput})),
                   std::vector{.4, .8, 1.2, .2, .2, .2, .4, .8, 1.2, .2, .2, .2},
                   1e-15,
                   0));
}

TEST(ExtractPairs, BranchPolicies) {
  const auto ys = [](Branches branches) {
    return Ys(ExtractPairs(TwoBranches(), {.branches = branches}));
  };
  EXPECT_TRUE(Near(ys(Branches::kCond), std::vector{.2, .4, .6, .2, .4, .6}, 1e-15, 0));
  EXPECT_TRUE(Near(ys(Branches::kUncond), std::vector{.1, .1, .1, .1, .1, .1}, 1e-15, 0));
  EXPECT_TRUE(Near(ys(Branches::kWorst), std::vector{.2, .4, .6, .2, .4, .6}, 1e-15, 0));
  EXPECT_TRUE(Near(ys(Branches::kAverage), std::vector{.15, .25, .35, .15, .25, .35}, 1e-15, 0));
}

TEST(ExtractPairs, AverageAddsSumsNotRatios) {
  Trace trace;
  trace.header.steps = trace.header.calls = 2;
  trace.rows = {Row("a", 0, "cond", 1, 0.5, 0.5), Row("a", 0, "uncond", 1, 0.1, 0.1)};
  trace.rows[1].mod = {30, 300, 10};
  const PairSet set = ExtractPairs(trace, {.branches = Branches::kAverage});
  ASSERT_EQ(set.pairs.size(), 1u);
  EXPECT_DOUBLE_EQ(set.pairs[0].x, 80.0 / 400);
}

TEST(ExtractPairs, WindowsAndForcedCalls) {
  const auto calls = [](const PairOptions& options) {
    std::vector<int> calls;
    for (const Pair& pair : ExtractPairs(TwoBranches(), options).pairs) {
      if (pair.prompt == 0 && pair.branch == 0) calls.push_back(pair.call);
    }
    return calls;
  };
  EXPECT_EQ(calls({.first_step = 2}), (std::vector<int>{2, 3}));
  EXPECT_EQ(calls({.last_step = 2}), (std::vector<int>{1, 2}));
  EXPECT_EQ(calls({.drop_first_call = true, .drop_last_call = true}), std::vector<int>{2});
  EXPECT_EQ(calls({.forced_calls = {true, false, true, false}}), (std::vector<int>{1, 3}));
}

TEST(ExtractPairs, Experts) {
  Trace trace = TwoBranches();
  for (TraceRow& row : trace.rows) row.expert = row.call < 2 ? "high" : "low";
  EXPECT_EQ(Experts(trace), (std::vector<std::string>{"high", "low"}));
  EXPECT_EQ(ExtractPairs(trace, {.expert = "high"}).pairs.size(), 4u);
  // The first call of "low" was measured against a call of the other model.
  EXPECT_EQ(ExtractPairs(trace, {.expert = "low"}).pairs.size(), 4u);
  EXPECT_EQ(ExtractPairs(trace).pairs.size(), 8u);
  EXPECT_THAT([&] { ExtractPairs(trace, {.expert = "middle"}); },
              ThrowsMessage<UserError>(HasSubstr("expert \"middle\"")));
}

TEST(ExtractPairs, ZeroDenominatorsAreCounted) {
  Trace trace = TwoBranches();
  trace.rows[2].mod.prev_l1 = 0;
  const PairSet set = ExtractPairs(trace);
  EXPECT_EQ(set.pairs.size(), 11u);
  ASSERT_EQ(set.warnings.size(), 1u);
  EXPECT_THAT(set.warnings[0], HasSubstr("1 with a zero denominator"));
}

TEST(ExtractPairs, NothingLeftIsAnError) {
  Trace trace = TwoBranches();
  EXPECT_THAT([&] { ExtractPairs(trace, {.first_step = 9}); },
              ThrowsMessage<UserError>(HasSubstr("none")));
  for (TraceRow& row : trace.rows) row.res = {};
  EXPECT_THAT(
      [&] { ExtractPairs(trace); },
      ThrowsMessage<UserError>(HasSubstr("12 that lack the modulated input or the target")));
  EXPECT_THROW(ExtractPairs(trace, {.forced_calls = {true}}), UserError);
}

TEST(PairChoices, NamesAndMistakes) {
  EXPECT_EQ(ChoiceOf(kPairTargets, "output", "--target"), Target::kOutput);
  EXPECT_THROW(ChoiceOf(kPairTargets, "latent", "--target"), UserError);
  for (Branches b :
       {Branches::kAll, Branches::kWorst, Branches::kAverage, Branches::kCond, Branches::kUncond}) {
    EXPECT_EQ(ChoiceOf(kPairBranches, ToString(b), "--branch"), b);
  }
  EXPECT_THROW(ChoiceOf(kPairBranches, "best", "--branch"), UserError);
}

}  // namespace
}  // namespace teacache
