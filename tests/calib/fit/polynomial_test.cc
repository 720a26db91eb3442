#include "calib/fit/polynomial.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/support/matchers.h"

namespace teacache {
namespace {

TEST(Evaluate, HighestPowerFirst) {
  const Polynomial f({2, 0, -3, 1});  // 2 x^3 - 3 x + 1
  EXPECT_EQ(f.degree(), 3);
  EXPECT_DOUBLE_EQ(f(0), 1);
  EXPECT_DOUBLE_EQ(f(2), 11);
  EXPECT_DOUBLE_EQ(f(-1), 2);
}

TEST(Evaluate, EmptyIsZero) {
  EXPECT_EQ(Polynomial()(3.5), 0);
  EXPECT_EQ(Polynomial().degree(), -1);
}

TEST(Derivative, OfCubicAndConstant) {
  EXPECT_EQ(Polynomial({2, 0, -3, 1}).Derivative().coefficients(), (std::vector<double>{6, 0, -3}));
  EXPECT_EQ(Polynomial({7}).Derivative()(1), 0);
}

TEST(RealRoots, KnownFactors) {
  // (x - 0.1)(x - 0.3)(x - 0.5)(x + 2)
  const Polynomial f({1, 1.1, -1.57, 0.445, -0.03});
  EXPECT_TRUE(Near(RealRoots(f, {0, 1}), std::vector{0.1, 0.3, 0.5}, 0, 1e-14));
  EXPECT_TRUE(Near(RealRoots(f, {-3, 0.2}), std::vector{-2, 0.1}, 0, 1e-14));
  EXPECT_TRUE(RealRoots(f, {0.6, 1}).empty());
}

TEST(RealRoots, DoubleRootAtTheVertex) {
  EXPECT_TRUE(Near(RealRoots(Polynomial({1, -1, 0.25}), {0, 1}), std::vector{0.5}, 0, 0));
}

TEST(RealRoots, LeadingZerosAndConstants) {
  EXPECT_TRUE(Near(RealRoots(Polynomial({0, 0, 2, -1}), {0, 1}), std::vector{0.5}, 0, 0));
  EXPECT_TRUE(RealRoots(Polynomial({0, 0, 0}), {0, 1}).empty());
  EXPECT_TRUE(RealRoots(Polynomial({4}), {0, 1}).empty());
}

TEST(RealRoots, RandomFactors) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> roots;
    for (int k = 0; k < 4; ++k) roots.push_back(0.2 * k + 0.05 + 0.1 * uniform(random));
    std::vector<double> c = {1};
    for (double root : roots) {
      std::vector<double> next(c.size() + 1, 0);
      for (size_t i = 0; i < c.size(); ++i) {
        next[i] += c[i];
        next[i + 1] -= root * c[i];
      }
      c = next;
    }
    EXPECT_TRUE(Near(RealRoots(Polynomial(c), {0, 1}), roots, 0, 1e-11));
  }
}

// calibration.md 3.3: published sets and where they are negative or decrease on [0, 0.6].
TEST(NegativeStretches, PublishedCoefficients) {
  const auto wan_14b = NegativeStretches(
      Polynomial({-5784.54975374, 5449.50911966, -1811.16591783, 256.27178429, -13.02252404}),
      {0, 0.6});
  ASSERT_EQ(wan_14b.size(), 2u);
  EXPECT_EQ(wan_14b[0].lo, 0);
  EXPECT_NEAR(wan_14b[0].hi, 0.1296, 5e-5);
  EXPECT_NEAR(wan_14b[1].lo, 0.4061, 5e-5);
  EXPECT_EQ(wan_14b[1].hi, 0.6);
  const auto wan_13b = NegativeStretches(
      Polynomial({2396.76752, -1311.10545, 201.331979, -8.29855975, 0.137887774}), {0, 0.6});
  ASSERT_EQ(wan_13b.size(), 1u);
  EXPECT_NEAR(wan_13b[0].lo, 0.1849, 5e-5);
  EXPECT_NEAR(wan_13b[0].hi, 0.3104, 1e-4);
}

TEST(DecreasingStretches, PublishedCoefficients) {
  const auto flux = DecreasingStretches(
      Polynomial({498.651651, -283.781631, 55.8554382, -3.82021401, 0.264230861}), {0, 0.6});
  ASSERT_EQ(flux.size(), 1u);
  EXPECT_EQ(flux[0].lo, 0);
  EXPECT_NEAR(flux[0].hi, 0.0528, 5e-5);
  const auto open_sora_plan = DecreasingStretches(
      Polynomial({205943.668, -14875.9286, 306.085986, 1.31418080, 0.00239658469}), {0, 0.6});
  EXPECT_TRUE(open_sora_plan.empty());
}

TEST(NegativeStretches, ZeroTouchingIsNotNegative) {
  EXPECT_TRUE(NegativeStretches(Polynomial({1, -1, 0.25}), {0, 1}).empty());
  const auto both = NegativeStretches(Polynomial({-1, 1, -0.25}), {0, 1});
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].hi, 0.5);
}

TEST(FormatCoefficients, ReadsBack) {
  EXPECT_EQ(FormatCoefficients(std::vector<double>{-450, 0.1, 1.0 / 3}),
            "[-450, 0.1, 0.3333333333333333]");
}

}  // namespace
}  // namespace teacache
