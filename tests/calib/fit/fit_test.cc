#include "calib/fit/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "datasets/base/error.h"
#include "tests/support/matchers.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using Method = FitOptions::Method;

struct Data {
  std::vector<double> x;
  std::vector<double> y;
};

const Polynomial& Truth() {
  static const Polynomial truth({40, -30, 8, 0.5, 0.05});
  return truth;
}

// `outliers` of the pairs lie far off, mostly above and at large x, where they pull hardest.
Data Synthetic(int n, double noise, double outliers, unsigned seed = 3) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::normal_distribution<double> normal(0, 1);
  Data data;
  for (int i = 0; i < n; ++i) {
    const double x = 0.02 + 0.48 * uniform(random);
    double y = Truth()(x) + noise * normal(random);
    if (uniform(random) < outliers * (0.5 + 2 * x)) y += 2 + 2 * uniform(random);
    data.x.push_back(x);
    data.y.push_back(y);
  }
  return data;
}

double WorstError(const Polynomial& f, const Polynomial& truth, double lo, double hi) {
  double worst = 0;
  for (int i = 0; i <= 1000; ++i) {
    const double x = lo + (hi - lo) * i / 1000;
    worst = std::max(worst, std::fabs(f(x) - truth(x)));
  }
  return worst;
}

TEST(FitPolynomialQr, RecoversExactPolynomial) {
  const Data data = Synthetic(200, 0, 0);
  const FitSummary fit = FitPolynomialQr(data.x, data.y, 4);
  EXPECT_TRUE(Near(fit.polynomial.coefficients(), Truth().coefficients(), 1e-10, 0));
  EXPECT_EQ(fit.status, "ok");
  EXPECT_EQ(fit.rank, 5);
  EXPECT_EQ(fit.n, 200);
  EXPECT_NEAR(fit.r2, 1, 1e-12);
  EXPECT_LT(fit.rmse, 1e-12);
}

TEST(FitPolynomialQr, BlocksOfRowsDoNotMatter) {
  // 256 rows make a block: around it and far above it.
  for (int n : {5, 249, 250, 251, 252, 257, 1000, 5000}) {
    const Data data = Synthetic(n, 0, 0);
    EXPECT_TRUE(Near(FitPolynomialQr(data.x, data.y, 2).polynomial.coefficients(),
                     FitPolynomialDirect(data.x, data.y, {.degree = 2}).polynomial.coefficients(),
                     1e-9,
                     0))
        << n;
  }
}

TEST(FitPolynomialQr, ThroughOrigin) {
  const FitSummary fit =
      FitPolynomialQr(std::vector{1.0, 2.0, 3.0}, std::vector{2.0, 4.0, 6.5}, 1, {}, true);
  ASSERT_EQ(fit.polynomial.coefficients().size(), 2u);
  EXPECT_EQ(fit.polynomial.coefficients()[1], 0);
  EXPECT_NEAR(fit.polynomial.coefficients()[0], (2 + 8 + 19.5) / 14, 1e-14);
}

TEST(FitPolynomialQr, ZeroWeightEqualsLeavingOut) {
  const Data data = Synthetic(60, 0.05, 0);
  std::vector<double> weights(60, 1.0);
  for (int i = 40; i < 60; ++i) weights[i] = 0;
  const auto part = FitPolynomialQr(std::span(data.x).first(40), std::span(data.y).first(40), 4);
  EXPECT_TRUE(Near(FitPolynomialQr(data.x, data.y, 4, weights).polynomial.coefficients(),
                   part.polynomial.coefficients(),
                   1e-10,
                   0));
}

TEST(FitPolynomialQr, TellsLostRank) {
  // x so far from 0 that its powers are the same to 16 digits.
  std::vector<double> x, y;
  for (int i = 0; i < 50; ++i) {
    x.push_back(1e6 + i * 1e-3);
    y.push_back(i);
  }
  const FitSummary fit = FitPolynomialQr(x, y, 4);
  EXPECT_LT(fit.rank, 5);
  EXPECT_THAT(fit.status, HasSubstr("rank"));
}

TEST(FitPolynomial, RefusesBadData) {
  const std::vector<double> x = {1, 2, 3, 4, 5, 6};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(
      [&] {
        FitPolynomialQr(x, std::vector<double>{1, 2}, 1);
      },
      ThrowsMessage<UserError>(HasSubstr("same length")));
  EXPECT_THAT(
      [&] { FitPolynomialQr(std::span(x).first(4), std::span(x).first(4), 4); },
      ThrowsMessage<UserError>(HasSubstr("at least as many as coefficients (5) but are 4")));
  EXPECT_THAT([&] { FitPolynomialQr({}, {}, 1); }, ThrowsMessage<UserError>(HasSubstr("pairs")));
  EXPECT_THAT(
      [&] {
        FitPolynomialQr(x, std::vector<double>{1, 2, nan, 4, 5, 6}, 1);
      },
      ThrowsMessage<UserError>(HasSubstr("pair 2")));
  EXPECT_THAT([&] { FitPolynomialQr(std::vector<double>(6, 0.25), x, 1); },
              ThrowsMessage<UserError>(HasSubstr("different values")));
  EXPECT_THAT(
      [&] {
        FitPolynomialQr(x, x, 1, std::vector<double>{1, 1, 1, 1, 1, -1});
      },
      ThrowsMessage<UserError>(HasSubstr("weight 5")));
  EXPECT_THAT(
      [&] {
        FitPolynomialQr(x, x, 1, std::vector<double>{1, 0, 0, 0, 0, 0});
      },
      ThrowsMessage<UserError>(HasSubstr("different values")));
  EXPECT_THAT([&] { FitPolynomialQr(x, x, 13); }, ThrowsMessage<UserError>(HasSubstr("degree")));
  EXPECT_THAT([&] { FitPolynomial(x, x, {.degree = 0, .through_origin = true}); },
              ThrowsMessage<UserError>(HasSubstr("degree")));
  EXPECT_THAT(
      [&] {
        FitPolynomial(x, x, {.monotone = true, .range = Interval{0.3, 0.3}});
      },
      ThrowsMessage<UserError>(HasSubstr("range")));
}

TEST(FitPolynomial, CeresAgreesWithQr) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    const Data data = Synthetic(500, 0.05, 0, seed);
    for (int degree = 0; degree <= 6; ++degree) {
      const auto qr = FitPolynomialQr(data.x, data.y, degree);
      const auto ceres =
          FitPolynomial(data.x, data.y, {.method = Method::kCeres, .degree = degree});
      EXPECT_TRUE(ceres.converged);
      EXPECT_TRUE(NearRel(ceres.polynomial.coefficients(), qr.polynomial.coefficients(), 1e-10))
          << degree;
    }
    const auto qr = FitPolynomialQr(data.x, data.y, 4, {}, true);
    const auto ceres = FitPolynomial(
        data.x, data.y, {.method = Method::kCeres, .degree = 4, .through_origin = true});
    EXPECT_TRUE(NearRel(ceres.polynomial.coefficients(), qr.polynomial.coefficients(), 1e-10));
  }
}

TEST(FitPolynomial, WeightedCeresAgreesWithQr) {
  const Data data = Synthetic(300, 0.05, 0);
  std::vector<double> weights;
  for (size_t i = 0; i < data.x.size(); ++i) weights.push_back(0.1 + (i % 7));
  EXPECT_TRUE(NearRel(
      FitPolynomial(data.x, data.y, {.method = Method::kCeres}, weights).polynomial.coefficients(),
      FitPolynomialQr(data.x, data.y, 4, weights).polynomial.coefficients(),
      1e-10));
}

TEST(FitPolynomial, RobustRecoversWherePlainFails) {
  const Data data = Synthetic(800, 0.01, 0.2);
  const auto plain = FitPolynomial(data.x, data.y, {});
  EXPECT_GT(WorstError(plain.polynomial, Truth(), 0.02, 0.5), 0.3);
  const auto cauchy = FitPolynomial(data.x, data.y, {.method = Method::kCauchy});
  EXPECT_LT(WorstError(cauchy.polynomial, Truth(), 0.02, 0.5), 0.02);
  const auto tukey = FitPolynomial(data.x, data.y, {.method = Method::kTukey});
  EXPECT_LT(WorstError(tukey.polynomial, Truth(), 0.02, 0.5), 0.01);
  EXPECT_NEAR(tukey.scale, 0.01, 0.003);
  EXPECT_GT(tukey.outliers, 100);
  EXPECT_LT(tukey.outliers, 300);
  // Huber's influence is bounded but never zero: between the two.
  const auto huber = FitPolynomial(data.x, data.y, {.method = Method::kHuber});
  EXPECT_LT(WorstError(huber.polynomial, Truth(), 0.02, 0.5),
            WorstError(plain.polynomial, Truth(), 0.02, 0.5) / 5);
}

TEST(FitPolynomial, RobustWithoutOutliersIsNearlyLeastSquares) {
  const Data data = Synthetic(2000, 0.02, 0);
  const auto plain = FitPolynomial(data.x, data.y, {});
  for (Method method : {Method::kHuber, Method::kCauchy, Method::kTukey}) {
    const auto robust = FitPolynomial(data.x, data.y, {.method = method});
    EXPECT_LT(WorstError(robust.polynomial, plain.polynomial, 0.02, 0.5), 0.005)
        << ToString(method);
  }
}

TEST(FitPolynomial, RobustOnExactDataWithOutliers) {
  const Data data = Synthetic(200, 0, 0.2);
  const auto tukey = FitPolynomial(data.x, data.y, {.method = Method::kTukey});
  EXPECT_LT(WorstError(tukey.polynomial, Truth(), 0.02, 0.5), 1e-7);
}

TEST(FitPolynomial, RobustCeresAgreesWithReweighting) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    const Data data = Synthetic(400, 0.03, 0.1, seed);
    std::vector<double> weights;
    for (size_t i = 0; i < data.x.size(); ++i) weights.push_back(0.5 + (i % 3));
    for (Method method : {Method::kHuber, Method::kCauchy, Method::kTukey}) {
      for (bool monotone : {false, true}) {
        const FitOptions options = {.method = method, .monotone = monotone};
        const auto ceres = FitPolynomial(data.x, data.y, options, weights);
        const auto direct = FitPolynomialDirect(data.x, data.y, options, weights);
        EXPECT_TRUE(direct.converged);
        EXPECT_LT(WorstError(ceres.polynomial, direct.polynomial, 0.02, 0.5), 1e-6)
            << ToString(method) << monotone;
      }
    }
  }
}

// Data whose plain fit dips below zero and decreases.
Data Dipping() {
  std::mt19937 random(11);
  std::normal_distribution<double> normal(0, 1);
  Data data;
  for (int i = 0; i < 300; ++i) {
    const double x = 0.01 + 0.5 * i / 299;
    data.x.push_back(x);
    data.y.push_back(std::max(0.0, 4 * (x - 0.25) * (x - 0.05)) + 0.3 * (x < 0.03) +
                     0.02 * normal(random));
  }
  return data;
}

TEST(FitPolynomial, ConstraintsHoldOnTheRange) {
  const Data data = Dipping();
  const auto plain = FitPolynomial(data.x, data.y, {});
  ASSERT_FALSE(NegativeStretches(plain.polynomial, plain.x).empty());
  ASSERT_FALSE(DecreasingStretches(plain.polynomial, plain.x).empty());
  for (int degree : {1, 2, 4, 6, 9}) {
    for (bool origin : {false, true}) {
      for (int kind = 1; kind <= 3; ++kind) {
        FitOptions options;
        options.degree = degree;
        options.through_origin = origin;
        options.non_negative = kind & 1;
        options.monotone = kind & 2;
        const auto fit = FitPolynomial(data.x, data.y, options);
        ASSERT_TRUE(fit.converged) << fit.status;
        EXPECT_EQ(fit.polynomial.degree(), degree);
        EXPECT_LT(fit.round_trip_error, 1e-9);
        if (origin) {
          EXPECT_EQ(fit.polynomial.coefficients().back(), 0);
        }
        const double lo = origin ? 0 : fit.x.lo;
        double previous = -std::numeric_limits<double>::infinity();
        for (int i = 0; i <= 10000; ++i) {
          const double value = fit.polynomial(lo + (fit.x.hi - lo) * i / 10000);
          if (options.non_negative) {
            ASSERT_GE(value, 0) << i;
          }
          if (options.monotone) {
            ASSERT_GE(value, previous) << i;
          }
          previous = value;
        }
        const auto direct = FitPolynomialDirect(data.x, data.y, options);
        EXPECT_LT(WorstError(direct.polynomial, fit.polynomial, lo, fit.x.hi), 1e-8)
            << degree << origin << kind;
      }
    }
  }
}

TEST(FitPolynomial, InactiveConstraintsChangeNothing) {
  Data data = Synthetic(300, 0.01, 0);
  for (double& y : data.y) y += 1;
  const auto plain = FitPolynomial(data.x, data.y, {.degree = 1});
  const auto constrained =
      FitPolynomial(data.x, data.y, {.degree = 1, .non_negative = true, .monotone = true});
  EXPECT_TRUE(
      NearRel(constrained.polynomial.coefficients(), plain.polynomial.coefficients(), 1e-9));
}

// The constrained answer against all its neighbours in the basis of its own constraint.
TEST(FitPolynomial, ConstrainedAnswerIsTheBest) {
  const Data data = Dipping();
  const auto fit = FitPolynomial(data.x, data.y, {.non_negative = true});
  const auto sse = [&](const Polynomial& f) {
    double sum = 0;
    for (size_t i = 0; i < data.x.size(); ++i) {
      sum += (data.y[i] - f(data.x[i])) * (data.y[i] - f(data.x[i]));
    }
    return sum;
  };
  const double best = sse(fit.polynomial);
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, 1);
  for (int trial = 0; trial < 300; ++trial) {
    // A fit to data with a bump: another polynomial that keeps the constraint.
    std::vector<double> y = data.y;
    for (size_t i = 0; i < y.size(); ++i) {
      y[i] += 0.02 * normal(random) + (trial % 2 ? 0.05 * std::sin(0.01 * trial * data.x[i]) : 0);
    }
    const auto other = FitPolynomialDirect(data.x, y, {.non_negative = true});
    ASSERT_GE(sse(other.polynomial), best * (1 - 1e-9));
  }
}

TEST(RSquared, OfTheMeanIsZero) {
  const std::vector<double> x = {1, 2, 3};
  const std::vector<double> y = {1, 2, 6};
  EXPECT_DOUBLE_EQ(RSquared(Polynomial({3}), x, y), 0);
  EXPECT_DOUBLE_EQ(RSquared(Polynomial({0}), x, y), 1 - 41.0 / 14);
}

TEST(FitMethods, NamesAndMistakes) {
  for (Method method :
       {Method::kPolyfit, Method::kCeres, Method::kHuber, Method::kCauchy, Method::kTukey}) {
    EXPECT_EQ(ChoiceOf(kFitMethods, ToString(method), "--method"), method);
  }
  EXPECT_THAT([] { ChoiceOf(kFitMethods, "lasso", "--method"); },
              ThrowsMessage<UserError>("--method: must be polyfit, ceres, huber, cauchy or tukey "
                                       "but is \"lasso\""));
}

}  // namespace
}  // namespace teacache
