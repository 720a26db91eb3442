#include "calib/diagnosis/statistics.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/support/matchers.h"

namespace teacache {
namespace {

TEST(Quantile, InterpolatesAsNumpy) {
  EXPECT_DOUBLE_EQ(Quantile({3, 1, 2, 10}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(Quantile({3, 1, 2, 10}, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(Quantile({3, 1, 2, 10}, 0), 1);
  EXPECT_DOUBLE_EQ(Quantile({3, 1, 2, 10}, 1), 10);
  EXPECT_DOUBLE_EQ(Quantile({7}, 0.3), 7);
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

}  // namespace
}  // namespace teacache
