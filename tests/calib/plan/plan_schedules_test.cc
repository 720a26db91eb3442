#include "calib/plan/plan_schedules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kCalls = 6;

// Of `prompts` prompts. Skipping call c costs weight(prompt, c), forecasts of order 1 half of it.
template <typename Weight>
SegmentCosts Costs(int prompts, const Weight& weight) {
  SegmentCosts costs;
  costs.recipe.model = "m";
  costs.recipe.steps = costs.recipe.calls = kCalls;
  costs.measure = "residual";
  for (int prompt = 0; prompt < prompts; ++prompt) {
    for (int start = 1; start < kCalls; ++start) {
      for (int skipped = 1; skipped <= std::min(2, kCalls - start); ++skipped) {
        double error = 0;
        for (int call = start; call < start + skipped; ++call) error += weight(prompt, call);
        const std::string name = "p" + std::to_string(prompt);
        costs.rows.push_back({name, 0, {start, skipped, {}}, error});
        for (int gap = 1; gap <= std::min(3, start - 1); ++gap) {
          costs.rows.push_back({name, 0, {start, skipped, {gap}}, error / 2});
        }
      }
    }
  }
  return costs;
}

std::string Text(const std::vector<bool>& computed) {
  std::string text;
  for (const bool call : computed) text += call ? 'C' : 'S';
  return text;
}

TEST(PlanSchedules, ChoosesTheCheapestForecast) {
  const SegmentCosts costs = Costs(3, [](int, int call) { return call; });
  PlanOptions options;
  options.budgets = {3, 2};
  const PlanResult result = PlanSchedules(costs, {}, options);
  const SchedulePlan& plan = result.plan;
  ASSERT_EQ(plan.schedules.size(), 2u);
  // Two computed calls: at most two skipped in a row. Call 1 knows one computed call only.
  EXPECT_EQ(Text(plan.schedules[0].computed), "CSSCSS");
  EXPECT_EQ(plan.schedules[0].forecast, 1);
  EXPECT_DOUBLE_EQ(plan.schedules[0].cost, 3 + 4.5);
  EXPECT_DOUBLE_EQ(plan.schedules[0].worst, 4.5);
  EXPECT_EQ(plan.prompts, 3);
  EXPECT_EQ(plan.longest, 2);
  // All prompts are alike.
  EXPECT_DOUBLE_EQ(*plan.schedules[1].left_out, plan.schedules[1].cost);
  EXPECT_DOUBLE_EQ(result.comparisons[1].own, plan.schedules[1].cost);
  EXPECT_THAT(PlanText(result), HasSubstr("CSSCSS"));

  options.forecast = 0;
  EXPECT_DOUBLE_EQ(PlanSchedules(costs, {}, options).plan.schedules[0].cost, 12);
}

TEST(PlanSchedules, LeavingPromptsOutShowsWhatDoesNotCarryOver) {
  // Each prompt has a call of its own that is expensive to skip.
  const SegmentCosts costs =
      Costs(4, [](int prompt, int call) { return call == prompt + 1 ? 10.0 : 1.0; });
  PlanOptions options;
  options.budgets = {5};
  options.forecast = 0;
  const PlanResult result = PlanSchedules(costs, {}, options);
  // Call 5 is cheap for everybody.
  EXPECT_DOUBLE_EQ(result.plan.schedules[0].cost, 1);
  EXPECT_DOUBLE_EQ(*result.plan.schedules[0].left_out, 1);
  options.limits.last = 1;
  const PlanResult without = PlanSchedules(costs, {}, options);
  EXPECT_DOUBLE_EQ(without.plan.schedules[0].cost, (10 + 1 + 1 + 1) / 4.0);
  // The call that seems cheapest without a prompt is that prompt's own.
  EXPECT_DOUBLE_EQ(*without.plan.schedules[0].left_out, 10);
  EXPECT_DOUBLE_EQ(without.comparisons[0].own, 1);
}

TEST(PlanSchedules, EvenSkippingWithoutCostsIsUnknown) {
  SegmentCosts costs = Costs(2, [](int, int call) { return call; });
  PlanOptions options;
  options.budgets = {3};
  EXPECT_FALSE(std::isnan(PlanSchedules(costs, {}, options).comparisons[0].even));
  options.budgets = {2};  // calls 0 and 5, four skipped
  EXPECT_TRUE(std::isnan(PlanSchedules(costs, {}, options).comparisons[0].even));
}

TEST(PlanSchedules, WeighsCallsByTheirOutcome) {
  const SegmentCosts costs = Costs(3, [](int, int) { return 2.0; });
  SegmentCosts outcomes = costs;
  outcomes.measure = "latent";
  std::erase_if(outcomes.rows, [](const SegmentCost& row) {
    return row.segment.skipped > 1 || row.segment.order() > 0;
  });
  for (SegmentCost& row : outcomes.rows) row.error = 10 - row.segment.start;
  PlanOptions options;
  options.budgets = {4};
  options.forecast = 0;
  const PlanResult result = PlanSchedules(costs, outcomes, options);
  // A call costs 10 - call: the last ones matter least.
  EXPECT_EQ(Text(result.plan.schedules[0].computed), "CCCCSS");
  EXPECT_DOUBLE_EQ(result.plan.schedules[0].cost, 6 + 5);
  EXPECT_DOUBLE_EQ(*result.plan.schedules[0].left_out, 6 + 5);
  EXPECT_EQ(result.plan.measure, "weighted");
  // Errors that have nothing in common: 6 + 5 in one segment is worse than 7 and 5 in two.
  options.objective = PlanObjective::kSquares;
  const PlanResult squares = PlanSchedules(costs, outcomes, options);
  EXPECT_EQ(Text(squares.plan.schedules[0].computed), "CCCSCS");
  EXPECT_DOUBLE_EQ(squares.plan.schedules[0].cost, 7 + 5);

  const auto error = [&] { return ErrorOf([&] { PlanSchedules(costs, outcomes, options); }); };
  outcomes.recipe.guidance = 3;
  EXPECT_THAT(error(), HasSubstr("--outcome: must be planned for the same runs"));
  outcomes.recipe.guidance = 0;
  std::erase_if(outcomes.rows, [](const SegmentCost& row) { return row.segment.start == 4; });
  EXPECT_THAT(error(), HasSubstr("but call 4 is missing"));
  outcomes.measure = "residual";
  EXPECT_THAT(error(), HasSubstr("--outcome: must be errors of the latent"));
}

TEST(PlanSchedules, OneComputedCall) {
  SegmentCosts costs;
  costs.recipe.steps = costs.recipe.calls = 3;
  costs.measure = "residual";
  for (const char* prompt : {"a", "b"}) costs.rows.push_back({prompt, 0, {1, 2, {}}, 0.5});
  const PlanResult result = PlanSchedules(costs, {}, {});
  EXPECT_EQ(Text(result.plan.schedules.front().computed), "CSS");
  EXPECT_DOUBLE_EQ(result.comparisons.front().even, 0.5);
}

TEST(PlanSchedules, RefusesCostsThatItCannotPlanFrom) {
  const auto weight = [](int, int) { return 1.0; };
  const auto error = [](const SegmentCosts& costs, const PlanOptions& options) {
    return ErrorOf([&] { PlanSchedules(costs, {}, options); });
  };
  EXPECT_THAT(error(Costs(1, weight), {}), HasSubstr("must be of at least 2 prompts"));
  SegmentCosts cut = Costs(2, weight);
  cut.rows.pop_back();
  EXPECT_THAT(error(cut, {}), HasSubstr("the same segments in every run but seed 0 of \"p1\""));
  PlanOptions options;
  options.forecast = 2;
  EXPECT_THAT(error(Costs(2, weight), options),
              HasSubstr("--forecast: must be an order that the costs are of (0, 1) but is 2"));
  options = {};
  options.budgets = {1};
  EXPECT_THAT(error(Costs(2, weight), options),
              HasSubstr("--budget: must be 2 to 6 computed calls"));
}

TEST(PlanSchedules, FilesOfAnotherLengthAreRefused) {
  const TempDir dir;
  SegmentCosts costs = Costs(2, [](int, int) { return 1.0; });
  WriteSegmentCosts(dir / "a.jsonl", costs);
  PlanOptions options;
  options.costs = {dir / "a.jsonl"};
  const PlanResult result = PlanSchedules(options);
  EXPECT_EQ(result.plan.costs_sha256.size(), 64u);
  EXPECT_EQ(result.plan.schedules.back().ComputedCalls(), kCalls);
  costs.recipe.calls = costs.recipe.steps = kCalls + 1;
  WriteSegmentCosts(dir / "b.jsonl", costs);
  options.costs.push_back(dir / "b.jsonl");
  EXPECT_THAT(ErrorOf([&] { PlanSchedules(options); }), HasSubstr("differs in steps (6 and 7)"));
}

}  // namespace
}  // namespace teacache
