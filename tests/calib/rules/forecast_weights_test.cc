#include "calib/rules/forecast_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ForecastWeights, ByHand) {
  EXPECT_THAT(ForecastWeights(0, {700, 900}, 500), ElementsAre(1));
  // Half as far again as from 900 to 700.
  EXPECT_THAT(ForecastWeights(1, {700, 900}, 600), ElementsAre(1.5, -0.5));
  // Newton: R0 + u (R0 - R1) + u (u + 1) / 2 (R0 - 2 R1 + R2) with u = 1.
  EXPECT_THAT(ForecastWeights(2, {600, 700, 800}, 500), ElementsAre(3, -3, 1));
}

TEST(ForecastWeights, ExactForPolynomialsAtUnevenTimes) {
  const std::vector<double> times = {610, 700.5, 905};
  const std::vector<std::function<double(double)>> functions = {
      [](double) { return 3.0; },
      [](double t) { return 3 - 0.01 * t; },
      [](double t) { return 3 - 0.01 * t + 2e-5 * t * t; }};
  for (int order = 0; order <= kMaxForecastOrder; ++order) {
    const std::vector<double> weights = ForecastWeights(order, times, 540.0);
    ASSERT_EQ(weights.size(), static_cast<size_t>(order + 1));
    EXPECT_NEAR(std::accumulate(weights.begin(), weights.end(), 0.0), 1, 1e-12);
    for (size_t f = 0; f < functions.size(); ++f) {
      double forecast = 0;
      for (size_t i = 0; i < weights.size(); ++i) forecast += weights[i] * functions[f](times[i]);
      const double error = std::abs(forecast - functions[f](540.0));
      if (static_cast<int>(f) <= order) {
        EXPECT_LT(error, 1e-9) << order << " " << f;
      } else {
        EXPECT_GT(error, 0.1) << order << " " << f;
      }
    }
  }
}

TEST(ForecastWeights, ReachAsFarAsTheLastTwoComputedCallsAreApart) {
  const std::vector<double> times = {600, 700, 1000};
  for (const int order : {1, 2}) {
    EXPECT_NE(ForecastWeights(order, times, 510), ForecastWeights(order, times, 500));
    EXPECT_EQ(ForecastWeights(order, times, 499), ForecastWeights(order, times, 500));
    EXPECT_EQ(ForecastWeights(order, times, 20), ForecastWeights(order, times, 500));
  }
}

TEST(ForecastWeights, FewComputedCallsLowerTheOrder) {
  EXPECT_THAT(ForecastWeights(2, {700}, 600), ElementsAre(1));
  EXPECT_EQ(ForecastWeights(2, {700, 900}, 600), ForecastWeights(1, {700, 900}, 600));
}

TEST(ForecastWeights, Orders) {
  for (const int order : {0, 1, 2}) EXPECT_NO_THROW(CheckForecastOrder(order));
  for (const int order : {-1, 3}) {
    EXPECT_THAT(ErrorOf([&] { CheckForecastOrder(order); }), HasSubstr("--forecast: must be"));
  }
}

}  // namespace
}  // namespace teacache
