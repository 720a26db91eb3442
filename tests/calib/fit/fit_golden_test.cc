#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "calib/fit/fit.h"
#include "tests/calib/krea.h"
#include "tests/support/golden.h"
#include "tests/support/matchers.h"

namespace teacache {
namespace {

TEST(FitPolynomialQr, EqualsNumpyPolyfit) {
  for (const GoldenCase& c : FindGoldenCases("polyfit")) {
    SCOPED_TRACE(c.name);
    const auto x = GoldenNumbers(c.json["x"]);
    const auto y = GoldenNumbers(c.json["y"]);
    const auto weights =
        c.json.contains("weights") ? GoldenNumbers(c.json["weights"]) : std::vector<double>();
    const FitSummary fit = FitPolynomialQr(x, y, c.json["degree"], weights);
    EXPECT_TRUE(
        Near(fit.polynomial.coefficients(), GoldenNumbers(c.json["coefficients"]), 1e-9, 0));
    EXPECT_TRUE(Near(fit.polynomial.coefficients(), GoldenNumbers(c.json["exact"]), 1e-9, 0));
    EXPECT_EQ(fit.rank, c.json["rank"].get<int>());
    EXPECT_NEAR(fit.condition_number / c.json["condition_number"].get<double>(), 1, 1e-6);
  }
}

TEST(FitPolynomial, CeresEqualsTheExactAnswer) {
  for (const GoldenCase& c : FindGoldenCases("polyfit")) {
    SCOPED_TRACE(c.name);
    const auto x = GoldenNumbers(c.json["x"]);
    const auto y = GoldenNumbers(c.json["y"]);
    const auto weights =
        c.json.contains("weights") ? GoldenNumbers(c.json["weights"]) : std::vector<double>();
    FitOptions options;
    options.method = FitOptions::Method::kCeres;
    options.degree = c.json["degree"];
    const FitSummary fit = FitPolynomial(x, y, options, weights);
    EXPECT_TRUE(fit.converged);
    EXPECT_TRUE(NearRel(fit.polynomial.coefficients(), GoldenNumbers(c.json["exact"]), 1e-10));
  }
}

// NIST StRD, linear regression: certified to 15 digits.
TEST(FitPolynomialQr, CertifiedAnswers) {
  for (const GoldenCase& c : FindGoldenCases("certified")) {
    SCOPED_TRACE(c.name);
    const auto x = GoldenNumbers(c.json["x"]);
    const auto y = GoldenNumbers(c.json["y"]);
    const auto certified = GoldenNumbers(c.json["coefficients"]);
    const FitSummary fit = FitPolynomialQr(x, y, c.json["degree"]);
    const double sd = GoldenNumber(c.json["residual_sd"]);
    double norm = 0;
    for (double v : y) norm += v * v;
    const double freedom = static_cast<double>(x.size() - certified.size());
    // As many digits as numpy has, less one: what double precision allows here.
    EXPECT_TRUE(Near(
        fit.polynomial.coefficients(), certified, std::pow(10, -c.json["digits"].get<int>()), 0));
    EXPECT_NEAR(fit.rmse * std::sqrt(static_cast<double>(x.size()) / freedom),
                sd,
                1e-9 * (sd + std::sqrt(norm)));
  }
}

// The same through Ceres, whose basis is the better conditioned one: numpy's digits and one more.
TEST(FitPolynomial, CertifiedAnswersByCeres) {
  for (const GoldenCase& c : FindGoldenCases("certified")) {
    SCOPED_TRACE(c.name);
    FitOptions options;
    options.method = FitOptions::Method::kCeres;
    options.degree = c.json["degree"];
    const FitSummary fit =
        FitPolynomial(GoldenNumbers(c.json["x"]), GoldenNumbers(c.json["y"]), options);
    EXPECT_TRUE(fit.converged) << fit.status;
    EXPECT_LT(fit.condition_number, 100);
    EXPECT_TRUE(Near(fit.polynomial.coefficients(),
                     GoldenNumbers(c.json["coefficients"]),
                     std::pow(10, -std::min(c.json["digits"].get<int>() + 1, 12)),
                     0));
  }
}

TEST(Krea, PublishedFit) {
  const auto krea = ReadKrea();
  if (!krea) GTEST_SKIP() << "no krea trace in TEACACHE_SHARED_GOLDEN_DIR";
  ASSERT_EQ(krea->pairs.size(), 270u);
  const FitSummary fit = FitPolynomialQr(Xs(*krea), Ys(*krea), 4);
  // numpy.polyfit on this file, to its printed digits.
  EXPECT_TRUE(Near(fit.polynomial.coefficients(),
                   std::vector{24.17544248, -45.41167291, 26.1984411, -3.57857066, 0.40137102},
                   2e-8,
                   0));
  // As published: made from more decimals than the file has.
  EXPECT_TRUE(Near(fit.polynomial.coefficients(), PublishedKrea().coefficients(), 2.1e-4, 0));
  EXPECT_NEAR(fit.r2, 0.6817, 5e-5);
  const Polynomial flux_dev({498.651651, -283.781631, 55.8554382, -3.82021401, 0.264230861});
  EXPECT_NEAR(RSquared(flux_dev, Xs(*krea), Ys(*krea)), -496.33, 0.05);
  std::vector<bool> first(28, false);
  first[1] = true;
  const PairSet rest = WithoutCalls(*krea, first);
  EXPECT_NEAR(FitPolynomialQr(Xs(rest), Ys(rest), 4).r2, 0.219, 5e-4);
}

}  // namespace
}  // namespace teacache
