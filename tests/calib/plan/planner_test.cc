#include "calib/plan/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>

#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<bool> Mask(const std::string& text) {
  std::vector<bool> mask;
  for (const char c : text) mask.push_back(c == 'C');
  return mask;
}

// Of every segment of at most `longest` calls, with all gaps that lead there.
SegmentCostTable RandomCosts(int calls, int order, int longest, uint32_t seed) {
  std::mt19937 random(seed);
  // Few values, so that there are ties, 0 among them.
  std::uniform_int_distribution<int> error(0, 12);
  SegmentCostTable costs;
  const auto add = [&](int start, const std::vector<int>& gaps) {
    for (int skipped = 1; skipped <= std::min(longest, calls - start); ++skipped) {
      costs[{start, skipped, gaps}] = skipped * 0.5 + error(random) * skipped;
    }
  };
  for (int start = 1; start < calls; ++start) {
    if (order == 0 || start == 1) add(start, {});
    for (int a = 1; order >= 1 && a <= std::min(longest + 1, start - 1); ++a) {
      if (order == 1 || a == start - 1) add(start, {a});
      for (int b = 1; order >= 2 && b <= std::min(longest + 1, start - 1 - a); ++b) {
        add(start, {a, b});
      }
    }
  }
  return costs;
}

bool IsWithin(const std::vector<bool>& mask, const PlanLimits& limits) {
  const int calls = static_cast<int>(mask.size());
  for (int call = 0; call < calls; ++call) {
    if (!mask[call] && (call < limits.first || call >= calls - limits.last)) return false;
  }
  for (const Segment& segment : SegmentsOf(mask, 0)) {
    if (limits.longest > 0 && segment.skipped > limits.longest) return false;
  }
  return true;
}

// The costs of a schedule as they are compared: their sum, or all of them, largest first.
std::vector<double> Value(const std::vector<double>& costs, PlanObjective objective) {
  if (objective == PlanObjective::kSum) {
    return {std::accumulate(costs.begin(), costs.end(), 0.0)};
  }
  if (objective == PlanObjective::kSquares) {
    return {std::inner_product(costs.begin(), costs.end(), costs.begin(), 0.0)};
  }
  std::vector<double> value = costs;
  std::erase(value, 0.0);
  return value;
}

// The best of all schedules with so many computed calls; empty where the limits allow none.
std::optional<std::vector<double>> BruteForce(const SegmentCostTable& costs,
                                              int calls,
                                              int order,
                                              PlanObjective objective,
                                              const PlanLimits& limits,
                                              int computed) {
  std::optional<std::vector<double>> best;
  for (int bits = 1; bits < 1 << calls; bits += 2) {
    std::vector<bool> mask;
    for (int call = 0; call < calls; ++call) mask.push_back((bits >> call & 1) != 0);
    if (std::ranges::count(mask, true) != computed || !IsWithin(mask, limits)) continue;
    const auto found = CostsOf(mask, order, costs);
    if (!found) continue;
    const std::vector<double> value = Value(*found, objective);
    if (!best || value < *best) best = value;
  }
  return best;
}

TEST(Planner, FindsWhatTryingEverythingFinds) {
  constexpr int kCalls = 10;
  const std::vector<PlanLimits> limits = {{1, 0, 0}, {2, 1, 0}, {1, 1, 2}, {3, 2, 3}};
  int planned = 0;
  for (const int order : {0, 1, 2}) {
    for (const auto& [name, objective] : kPlanObjectives) {
      for (size_t i = 0; i < limits.size(); ++i) {
        const int longest = i % 2 == 0 ? 3 : kCalls;
        const auto costs =
            RandomCosts(kCalls, order, longest, static_cast<uint32_t>(7 * i + order));
        const auto frontier = PlanFrontier(costs, kCalls, order, objective, limits[i]);
        ASSERT_EQ(frontier.size(), static_cast<size_t>(kCalls));
        for (int computed = 1; computed <= kCalls; ++computed) {
          const auto best = BruteForce(costs, kCalls, order, objective, limits[i], computed);
          const auto& found = frontier[computed - 1];
          ASSERT_EQ(found.has_value(), best.has_value()) << order << " " << i << " " << computed;
          if (!found) continue;
          ++planned;
          EXPECT_TRUE((*found)[0]);
          EXPECT_EQ(std::ranges::count(*found, true), computed);
          EXPECT_TRUE(IsWithin(*found, limits[i]));
          EXPECT_EQ(Value(CostsOf(*found, order, costs).value(), objective), *best)
              << order << " " << i << " " << computed;
        }
      }
    }
  }
  EXPECT_GT(planned, 200);
}

TEST(Planner, MinimaxPrefersTheSmallerSecondWorst) {
  SegmentCostTable costs;
  costs[{1, 1, {}}] = 5;
  costs[{2, 1, {}}] = 5;
  costs[{3, 1, {}}] = 1;
  costs[{4, 1, {}}] = 4;
  costs[{2, 2, {}}] = 9;
  // Two of the calls 1 to 4: 1 and 3 (5, 1), 1 and 4 (5, 4), 2 and 4 (5, 4), 2 and 3 together (9).
  const auto frontier = PlanFrontier(costs, 5, 0, PlanObjective::kMinimax, {});
  EXPECT_EQ(frontier[2], Mask("CSCSC"));
  EXPECT_EQ(frontier[3], Mask("CCCSC"));
  EXPECT_EQ(frontier[4], Mask("CCCCC"));
  EXPECT_EQ(frontier[0], std::nullopt);
}

TEST(Planner, SegmentsOfASchedule) {
  // Only one computed call is known at call 1, two at call 3, three from call 7 on.
  EXPECT_THAT(SegmentsOf(Mask("CSCSSSCSS"), 2),
              ElementsAre(Segment{1, 1, {}}, Segment{3, 3, {2}}, Segment{7, 2, {4, 2}}));
  EXPECT_THAT(SegmentsOf(Mask("CSCSSSCSS"), 0),
              ElementsAre(Segment{1, 1, {}}, Segment{3, 3, {}}, Segment{7, 2, {}}));
  EXPECT_TRUE(SegmentsOf(Mask("CCC"), 1).empty());
}

TEST(Planner, AFrontierOfFiftyCallsTakesLessThanASecond) {
  const auto costs = RandomCosts(50, 2, 4, 1);
  for (const auto& [name, objective] : kPlanObjectives) {
    const auto start = std::chrono::steady_clock::now();
    const auto frontier = PlanFrontier(costs, 50, 2, objective, {});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    EXPECT_TRUE(frontier[9]);   // 10 x 4 skipped
    EXPECT_FALSE(frontier[8]);  // longer runs of skips are not known
    EXPECT_LT(seconds.count(), 1.0);
    RecordProperty(std::string(name), std::to_string(seconds.count()));
  }
}

TEST(Planner, RefusesLimitsOutsideTheRun) {
  const auto error = [](const PlanLimits& limits, int calls) {
    return ErrorOf([&] { PlanFrontier({}, calls, 0, PlanObjective::kSum, limits); });
  };
  EXPECT_THAT(error({0, 0, 0}, 5), HasSubstr("--first: must be 1 to 5"));
  EXPECT_THAT(error({1, 6, 0}, 5), HasSubstr("--last: must be 0 to 5"));
  EXPECT_THAT(error({1, 0, -1}, 5), HasSubstr("--longest: must be 0 to 5"));
  EXPECT_THAT(error({}, 1001), HasSubstr("1 to 1000 calls but is of 1001"));
}

}  // namespace
}  // namespace teacache
