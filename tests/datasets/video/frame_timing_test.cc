#include "datasets/video/frame_timing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace teacache {
namespace {

using Repeats = ConstantRate::Repeats;

// Which input each output frame shows, for frames at these times.
std::vector<int> Shown(bool keep_start, const std::vector<double>& times, double duration = 1) {
  ConstantRate rate(keep_start);
  std::vector<int> shown;
  int last = -1;
  for (size_t i = 0; i < times.size(); ++i) {
    const Repeats repeats = rate.Next(times[i], duration);
    const int current = static_cast<int>(i);
    shown.insert(shown.end(), static_cast<size_t>(repeats.previous), last < 0 ? current : last);
    shown.insert(shown.end(), static_cast<size_t>(repeats.current), current);
    last = current;
  }
  shown.insert(shown.end(), static_cast<size_t>(rate.Finish()), last);
  return shown;
}

TEST(ConstantRate, RegularFramesPass) {
  EXPECT_THAT(Shown(true, {0, 1, 2, 3}), testing::ElementsAre(0, 1, 2, 3));
}

TEST(ConstantRate, JitterOfLessThanAFramePasses) {
  EXPECT_THAT(Shown(true, {0, 1.05, 1.95, 3.02, 3.99}), testing::ElementsAre(0, 1, 2, 3, 4));
}

// The frame that ends a gap takes its last place.
TEST(ConstantRate, GapsAreFilledWithTheFrameBefore) {
  EXPECT_THAT(Shown(true, {0, 1, 5, 6}), testing::ElementsAre(0, 1, 1, 1, 2, 2, 3));
}

TEST(ConstantRate, TooManyFramesAreDropped) {
  // Five frames in the time of two: the tolerance lets the output run ahead by about one.
  const std::vector<int> shown = Shown(true, {0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2, 3.6});
  EXPECT_LT(shown.size(), 7u);
  EXPECT_GE(shown.size(), 4u);
}

TEST(ConstantRate, ALateStart) {
  EXPECT_THAT(Shown(true, {3, 4, 5}), testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(Shown(false, {3, 4, 5}), testing::ElementsAre(0, 0, 0, 0, 1, 2));
}

TEST(ConstantRate, BrokenTimesDoNotFillTheDisk) {
  ConstantRate rate(true);
  EXPECT_EQ(rate.Next(0, 1), (Repeats{0, 1}));
  EXPECT_EQ(rate.Next(1e12, 1), (Repeats{0, 0}));
  EXPECT_EQ(rate.Next(1, 1), (Repeats{0, 1}));
}

}  // namespace
}  // namespace teacache
