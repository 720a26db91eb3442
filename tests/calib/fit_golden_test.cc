#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "calib/fit.h"
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

struct Krea {
  std::vector<int> prompt;
  std::vector<int> pair;
  std::vector<double> x;
  std::vector<double> y;
};

Krea ReadKrea(const std::filesystem::path& path) {
  Krea krea;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    char comma;
    int prompt, pair;
    double x, y;
    fields >> prompt >> comma >> pair >> comma >> x >> comma >> y;
    krea.prompt.push_back(prompt);
    krea.pair.push_back(pair);
    krea.x.push_back(x);
    krea.y.push_back(y);
  }
  return krea;
}

TEST(Krea, PublishedFit) {
  const auto path = SharedGoldenFile("krea/flux1_krea_dev_pairs.csv");
  if (!path) GTEST_SKIP() << "no krea trace in TEACACHE_SHARED_GOLDEN_DIR";
  const Krea krea = ReadKrea(*path);
  ASSERT_EQ(krea.x.size(), 270u);
  const FitSummary fit = FitPolynomialQr(krea.x, krea.y, 4);
  // numpy.polyfit on this file, to its printed digits.
  EXPECT_TRUE(Near(fit.polynomial.coefficients(),
                   std::vector{24.17544248, -45.41167291, 26.1984411, -3.57857066, 0.40137102},
                   2e-8,
                   0));
  // As published: made from more decimals than the file has.
  EXPECT_TRUE(Near(fit.polynomial.coefficients(),
                   std::vector{24.18037744588824,
                               -45.41912128506917,
                               26.20213376107934,
                               -3.579234954660995,
                               0.40140693642366004},
                   2.1e-4,
                   0));
  EXPECT_NEAR(fit.r2, 0.6817, 5e-5);
  const Polynomial flux_dev({498.651651, -283.781631, 55.8554382, -3.82021401, 0.264230861});
  EXPECT_NEAR(RSquared(flux_dev, krea.x, krea.y), -496.33, 0.05);
  std::vector<double> x, y;
  for (size_t i = 0; i < krea.x.size(); ++i) {
    if (krea.pair[i] == 1) continue;
    x.push_back(krea.x[i]);
    y.push_back(krea.y[i]);
  }
  EXPECT_NEAR(FitPolynomialQr(x, y, 4).r2, 0.219, 5e-4);
}

}  // namespace
}  // namespace teacache
