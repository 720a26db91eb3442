#include "runners/sampling/segment_meter.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Gaps = std::vector<int>;

TEST(SegmentMeter, SegmentsOfTheOrdersAskedFor) {
  EXPECT_THAT(GapsBefore(1, {2, {0, 1, 2}}), ElementsAre(Gaps{}));
  // Calls 3 and 2, 1 or 0 are computed; then those before, as far as call 0.
  EXPECT_THAT(GapsBefore(4, {2, {0, 1, 2}}),
              ElementsAre(Gaps{}, Gaps{1}, Gaps{2}, Gaps{3}, Gaps{1, 1}, Gaps{1, 2}, Gaps{2, 1}));
  // Of lower orders only where there are no more computed calls.
  EXPECT_THAT(GapsBefore(4, {2, {2}}), ElementsAre(Gaps{3}, Gaps{1, 1}, Gaps{1, 2}, Gaps{2, 1}));
  EXPECT_THAT(GapsBefore(1, {2, {1}}), ElementsAre(Gaps{}));
  EXPECT_THAT(GapsBefore(9, {1, {1}}), ElementsAre(Gaps{1}, Gaps{2}));
  EXPECT_THAT(SegmentsAt(4, 5, {2, {0}}), ElementsAre(Segment{4, 1, {}}));
  EXPECT_THAT(SegmentsAt(3, 5, {2, {0}}), ElementsAre(Segment{3, 1, {}}, Segment{3, 2, {}}));
}

TEST(SegmentMeter, ErrorsByHand) {
  SegmentMeter meter({2, {0, 1, 2}});
  const std::vector<double> times = {100, 90, 80, 60, 50};
  const std::vector<double> residual = {1, 2, 4, 9, 5};
  // The other branch has a second stream and stays the same.
  for (int call = 0; call < 5; ++call) {
    meter.Add(call, 0, times[call], {at::full({2}, residual[call])});
    meter.Add(call, 1, times[call], {at::full({2}, 3.0), at::full({4}, -1.0)});
  }
  std::map<Segment, double> costs;
  for (const auto& [segment, cost] : meter.Costs()) costs[segment] = cost;
  // sum|R| of a call: twice its residual, and 10 of the other branch.
  const auto error = [&](int call, double forecast) {
    return 2 * std::abs(forecast - residual[call]) / (2 * residual[call] + 10);
  };
  EXPECT_NEAR(costs.at({1, 1, {}}), error(1, 1), 1e-7);
  EXPECT_NEAR(costs.at({1, 2, {}}), error(1, 1) + error(2, 1), 1e-7);
  EXPECT_NEAR(costs.at({3, 2, {}}), error(3, 4) + error(4, 4), 1e-7);
  // Lines in time through calls 2 and 1, which reach as far ahead as these are apart, and through
  // calls 2 and 0.
  EXPECT_NEAR(costs.at({3, 2, {1}}), error(3, 6) + error(4, 6), 1e-7);
  EXPECT_NEAR(costs.at({3, 2, {2}}), error(3, 7) + error(4, 7), 1e-7);
  // A parabola through calls 2, 1 and 0, 10 ahead: 4 + 2 + 1.
  EXPECT_NEAR(costs.at({3, 1, {1, 1}}), error(3, 7), 1e-7);
  // Starts 1 to 4 have 2, 2, 2 and 1 segments with as many forecasts as calls before allow: the
  // last, with 1 to 3 back, and those with two gaps.
  size_t expected = 0;
  for (int start = 1; start < 5; ++start) {
    expected += GapsBefore(start, {2, {0, 1, 2}}).size() * (start < 4 ? 2 : 1);
  }
  EXPECT_EQ(costs.size(), expected);
}

TEST(SegmentMeter, RefusesWhatIsNotOfTheRun) {
  const auto error = [](const SegmentExtent& extent) { return ErrorOf([&] { extent.Check(30); }); };
  EXPECT_EQ(error({29, {0}}), "no error");
  EXPECT_THAT(error({30, {0}}), HasSubstr("--costs: must be 1 to 29, as a run has 30 calls"));
  EXPECT_THAT(error({0, {0}}), HasSubstr("--costs: must be 1 to 29"));
  EXPECT_THAT(error({4, {}}), HasSubstr("--orders"));
  EXPECT_THAT(error({4, {0, 3}}), HasSubstr("--orders: must be of 0, 1 and 2 but one is 3"));
}

}  // namespace
}  // namespace teacache
