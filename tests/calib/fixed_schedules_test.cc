#include "calib/fixed_schedules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/matchers.h"

namespace teacache {
namespace {

TEST(StaticMask, FollowsTheMeanChange) {
  PairSet pairs;
  pairs.calls = 8;
  pairs.branches = {"batched"};
  for (int call = 1; call < 8; ++call) {
    Pair pair;
    pair.call = call;
    pair.y = call == 4 ? 10 : 1;
    pairs.pairs.push_back(pair);
  }
  const auto mask = StaticMask(pairs, 3);
  EXPECT_EQ(std::count(mask.begin(), mask.end(), false) >= 3, true);
  EXPECT_TRUE(mask[0]);
  EXPECT_TRUE(mask[4]);  // the large change
  EXPECT_TRUE(mask[7]);
  EXPECT_EQ(StaticMask(pairs, 0), std::vector<bool>(8, true));
  const auto all = StaticMask(pairs, 100);
  EXPECT_EQ(std::count(all.begin(), all.end(), true), 2);
}

TEST(MagnitudeRatios, FromSumsOfPreviousTensors) {
  Trace trace;
  trace.header.calls = 4;
  const double norms[] = {10, 5, 4};  // |residual| at calls 0, 1, 2
  for (int prompt = 0; prompt < 2; ++prompt) {
    for (int call = 0; call < 4; ++call) {
      TraceRow row;
      row.prompt = std::to_string(prompt);
      row.branch = "batched";
      row.call = call;
      if (call > 0) row.res = {1, norms[call - 1] * (1 + prompt), 100};
      trace.rows.push_back(row);
    }
  }
  const auto ratios = MagnitudeRatios(trace);
  ASSERT_EQ(ratios.size(), 1u);
  EXPECT_TRUE(Near(ratios.at("batched"), std::vector{1.0, 0.5, 0.8, 0.8}, 0, 1e-15));
  trace.rows.clear();
  EXPECT_TRUE(MagnitudeRatios(trace).empty());
}

}  // namespace
}  // namespace teacache
