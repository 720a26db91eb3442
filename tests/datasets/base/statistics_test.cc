#include "datasets/base/statistics.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/support/matchers.h"

namespace teacache {
namespace {

TEST(Percentile, InterpolatesAsNumpy) {
  EXPECT_DOUBLE_EQ(Percentile({3, 1, 2, 10}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(Percentile({3, 1, 2, 10}, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(Percentile({4, 1, 3, 2}, 0.05), 1.15);
  EXPECT_EQ(Percentile({3, 1, 2, 10}, 0), 1);
  EXPECT_EQ(Percentile({3, 1, 2, 10}, 1), 10);
  EXPECT_EQ(Percentile({7}, 0.3), 7);
  EXPECT_TRUE(std::isnan(Percentile({}, 0.5)));
}

TEST(Median, TwoMeaningsHaveTwoNames) {
  EXPECT_EQ(Median({5, 1, 3}), 3);
  EXPECT_EQ(Median({4, 1, 10, 2}), 3);
  EXPECT_TRUE(std::isnan(Median({})));
  EXPECT_EQ(MedianHigh({5, 1, 3}), 3);
  EXPECT_EQ(MedianHigh({4, 1, 10, 2}), 4);
}

TEST(Pearson, KnownValues) {
  const std::vector<double> x = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(Pearson(x, std::vector<double>{2, 4, 6, 8}), 1);
  EXPECT_DOUBLE_EQ(Pearson(x, std::vector<double>{8, 6, 4, 2}), -1);
  EXPECT_EQ(Pearson(x, std::vector<double>{5, 5, 5, 5}), 0);
  EXPECT_NEAR(Pearson(x, std::vector<double>{1, 3, 2, 4}), 0.8, 1e-15);
}

TEST(Spearman, RanksAndTies) {
  EXPECT_DOUBLE_EQ(Spearman(std::vector<double>{1, 2, 3}, std::vector<double>{1, 10, 1000}), 1);
  // scipy.stats.spearmanr([1, 2, 2, 3], [1, 3, 2, 4]) = 0.9486832980505138
  EXPECT_NEAR(Spearman(std::vector<double>{1, 2, 2, 3}, std::vector<double>{1, 3, 2, 4}),
              0.9486832980505138,
              1e-15);
}

TEST(IsotonicRegression, PoolsViolators) {
  const std::vector<double> ones(5, 1.0);
  EXPECT_TRUE(Near(IsotonicRegression(std::vector<double>{1, 3, 2, 4, 3}, ones),
                   std::vector{1.0, 2.5, 2.5, 3.5, 3.5},
                   0,
                   1e-15));
  EXPECT_TRUE(Near(IsotonicRegression(std::vector<double>{5, 1, 1, 1, 1}, ones),
                   std::vector{1.8, 1.8, 1.8, 1.8, 1.8},
                   0,
                   1e-15));
  EXPECT_TRUE(Near(IsotonicRegression(std::vector<double>{4, 1}, std::vector<double>{1, 3}),
                   std::vector{1.75, 1.75},
                   0,
                   1e-15));
  EXPECT_TRUE(IsotonicRegression({}, {}).empty());
}

// Against the minimax formula: fitted[i] = max over a <= i of min over b >= i of mean(a..b).
TEST(IsotonicRegression, EqualsMinimaxFormula) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal(0, 1);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<double> values(12);
    for (size_t i = 0; i < values.size(); ++i) values[i] = 0.2 * i + normal(random);
    std::vector<double> expected;
    for (size_t i = 0; i < values.size(); ++i) {
      double outer = -1e300;
      for (size_t a = 0; a <= i; ++a) {
        double inner = 1e300;
        for (size_t b = i; b < values.size(); ++b) {
          const double sum = std::accumulate(values.begin() + a, values.begin() + b + 1, 0.0);
          inner = std::min(inner, sum / static_cast<double>(b - a + 1));
        }
        outer = std::max(outer, inner);
      }
      expected.push_back(outer);
    }
    EXPECT_TRUE(Near(IsotonicRegression(values, std::vector<double>(12, 1.0)), expected, 0, 1e-12));
  }
}

TEST(Bootstrap, DependsOnTheSeedOnly) {
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(std::sin(i * 78.233));
  const auto a = BootstrapMean(values, 2000, 7), b = BootstrapMean(values, 2000, 7);
  EXPECT_EQ(a->lo, b->lo);
  EXPECT_EQ(a->hi, b->hi);
  EXPECT_NE(a->lo, BootstrapMean(values, 2000, 8)->lo);
}

// The three functions draw the same resamples.
TEST(Bootstrap, AnyStatistic) {
  const std::vector<double> values = {3, 1, 4, 1, 5, 9, 2, 6};
  const auto mean = Bootstrap(values.size(), 500, 3, [&](std::span<const size_t> drawn) {
    double sum = 0;
    for (const size_t i : drawn) sum += values[i];
    return sum / 8;
  });
  EXPECT_NEAR(mean->lo, BootstrapMean(values, 500, 3)->lo, 1e-12);
  EXPECT_NEAR(mean->hi, BootstrapMean(values, 500, 3)->hi, 1e-12);
  const auto median = Bootstrap(values.size(), 500, 3, [&](std::span<const size_t> drawn) {
    std::vector<double> resample;
    for (const size_t i : drawn) resample.push_back(values[i]);
    return Median(resample);
  });
  EXPECT_EQ(median->lo, BootstrapPercentile(values, 0.5, 500, 3)->lo);
  EXPECT_EQ(median->hi, BootstrapPercentile(values, 0.5, 500, 3)->hi);
}

TEST(Bootstrap, WithoutAnIntervalThereIsNone) {
  const std::vector<double> one = {3}, equal = {0.1, 0.1, 0.1};
  EXPECT_FALSE(BootstrapMean(one, 100, 1));
  EXPECT_FALSE(BootstrapPercentile(one, 0.5, 100, 1));
  EXPECT_FALSE(BootstrapMean(equal, 0, 1));
  EXPECT_FALSE(Bootstrap(0, 100, 1, [](std::span<const size_t>) { return 1.0; }));
  const auto nan = [](std::span<const size_t>) { return std::nan(""); };
  EXPECT_FALSE(Bootstrap(3, 100, 1, nan));
  EXPECT_EQ(BootstrapMean(equal, 100, 1)->lo, 0.1);
  EXPECT_EQ(BootstrapMean(equal, 100, 1)->hi, 0.1);
}

TEST(Wilson, KnownInterval) {
  const Interval interval = WilsonInterval(0.75, 4);
  EXPECT_NEAR(interval.lo, 0.300642, 1e-6);
  EXPECT_NEAR(interval.hi, 0.954413, 1e-6);
}

TEST(IdenticalVideos, AreLeftOutOfValuesAndBeatAllOthers) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Finite(std::vector<double>{inf, 3, inf, 1}), (std::vector<double>{3, 1}));
  EXPECT_EQ(BetterOfPair(inf, 200, true), 1);
  EXPECT_EQ(BetterOfPair(200, inf, true), -1);
  EXPECT_EQ(BetterOfPair(inf, inf, true), 0);
  EXPECT_EQ(BetterOfPair(0.1, 0.2, false), 1);
  EXPECT_EQ(BetterOfPair(0.2, 0.2, false), 0);
  EXPECT_EQ(BetterOfPair(std::nan(""), 1, true), 0);
}

}  // namespace
}  // namespace teacache
