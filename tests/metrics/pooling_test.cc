#include "metrics/pooling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

namespace teacache {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Summarize, KnownValues) {
  const std::vector<double> values = {30, 20, 40, 10};
  const std::vector<int64_t> frames = {1, 1, 1, 5};
  const MetricSummary s = Summarize(values, frames);
  EXPECT_DOUBLE_EQ(s.mean, 25);
  EXPECT_DOUBLE_EQ(s.median, 25);
  EXPECT_DOUBLE_EQ(s.std, std::sqrt(500.0 / 3));
  EXPECT_EQ(s.min, 10);
  EXPECT_EQ(s.max, 40);
  EXPECT_DOUBLE_EQ(s.p5, 11.5);
  EXPECT_DOUBLE_EQ(s.frame_weighted_mean, 140.0 / 8);
  EXPECT_EQ(s.n, 4);
  EXPECT_EQ(s.identical, 0);
  PoolingOptions lower;
  lower.higher_is_better = false;
  EXPECT_DOUBLE_EQ(Summarize(values, {}, lower).p5, 38.5);
}

TEST(Summarize, IdenticalVideosAreCountedAndKeptOut) {
  const MetricSummary s = Summarize(std::vector<double>{kInf, 20, kInf, 30});
  EXPECT_EQ(s.identical, 2);
  EXPECT_EQ(s.n, 2);
  EXPECT_DOUBLE_EQ(s.mean, 25);
  const MetricSummary all = Summarize(std::vector<double>{kInf});
  EXPECT_EQ(all.n, 0);
  EXPECT_EQ(all.identical, 1);
  EXPECT_TRUE(std::isnan(all.mean));
}

TEST(Summarize, EmptyAndSingle) {
  EXPECT_TRUE(std::isnan(Summarize({}).mean));
  const MetricSummary one = Summarize(std::vector<double>{3});
  EXPECT_EQ(one.mean, 3);
  EXPECT_TRUE(std::isnan(one.std));
  EXPECT_FALSE(one.ci95);
}

TEST(Summarize, NanIsADefectOfTheCaller) {
  EXPECT_THROW(Summarize(std::vector<double>{1, kNan}), std::invalid_argument);
}

TEST(Summarize, IntervalAgreesWithTheNormalApproximation) {
  // 400 values with a known spread: the interval is close to mean +- 1.96 sd / sqrt(n).
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(std::sin(i * 12.9898) * 3 + 20);
  const MetricSummary s = Summarize(values);
  const double half = 1.96 * s.std / 20;
  EXPECT_NEAR(s.ci95->lo, s.mean - half, 0.05 * half);
  EXPECT_NEAR(s.ci95->hi, s.mean + half, 0.05 * half);
}

TEST(ComparePaired, IdenticalVideosBeatAllOthersAndMissingValuesAreLeftOut) {
  const std::vector<double> a = {30, kInf, 28, kNan, 31, 20, kInf, 40};
  const std::vector<double> b = {29, 25, 29, 30, 29, 20, kInf, kInf};
  const PairedDifference d = ComparePaired(a, b);
  EXPECT_EQ(d.n, 4);
  EXPECT_DOUBLE_EQ(d.mean, 0.5);
  EXPECT_EQ(d.a_better, 3);
  EXPECT_EQ(d.b_better, 2);
  EXPECT_LE(d.ci95->lo, d.mean);
  EXPECT_GE(d.ci95->hi, d.mean);
  PoolingOptions lower;
  lower.higher_is_better = false;
  EXPECT_EQ(ComparePaired(a, b, lower).a_better, 2);
}

TEST(ComparePaired, IntervalOfAConstantDifferenceIsThatDifference) {
  // The spread between videos is large, the difference of the methods is not: pairing shows it.
  const std::vector<double> a = {10, 20, 30, 40, 50}, b = {9, 19, 29, 39, 49};
  const PairedDifference d = ComparePaired(a, b);
  EXPECT_EQ(d.ci95->lo, 1);
  EXPECT_EQ(d.ci95->hi, 1);
}

}  // namespace
}  // namespace teacache
