#include "calib/diagnosis/grouped_fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace teacache {
namespace {

using Method = FitOptions::Method;

std::vector<Pair> MakePairs(int prompts, bool weighted, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 1);
  std::vector<Pair> pairs;
  for (int p = 0; p < prompts; ++p) {
    const double effect = 0.03 * normal(random);
    for (int call = 1; call < 25; ++call) {
      Pair pair;
      pair.prompt = p;
      pair.call = call;
      pair.x = 0.05 + 0.4 * std::pow(std::sin(0.3 * call), 2) + 0.02 * std::fabs(normal(random));
      pair.y = 0.1 + pair.x + 3 * pair.x * pair.x + effect + 0.03 * normal(random);
      if (random() % 12 == 0) pair.y += 2;
      if (weighted) pair.weight = 0.5 + static_cast<double>(random() % 5);
      pairs.push_back(pair);
    }
  }
  return pairs;
}

// The quick way against doing it: a fit of the chosen pairs alone, from the same start.
TEST(GroupedFit, EqualsFitsOfTheChosenPairs) {
  std::mt19937 random(9);
  for (const bool weighted : {false, true}) {
    const std::vector<Pair> pairs = MakePairs(15, weighted, 3);
    const Groups groups = MakeGroups(pairs);
    ASSERT_EQ(groups.count, 15);
    std::vector<double> x, y, w;
    for (const Pair& pair : pairs) {
      x.push_back(pair.x);
      y.push_back(pair.y);
      w.push_back(pair.weight);
    }
    for (Method method : {Method::kPolyfit, Method::kHuber, Method::kCauchy, Method::kTukey}) {
      for (const bool constrained : {false, true}) {
        FitOptions options;
        options.method = method;
        options.degree = 4;
        options.monotone = options.non_negative = constrained;
        options.range = Interval{0.04, 0.6};
        const FitSummary start = FitPolynomialDirect(x, y, options, w);
        const GroupedFit grouped(pairs, groups, options, &start);
        for (int choice = 0; choice < 4; ++choice) {
          std::vector<int> counts(groups.count, 0);
          for (int g = 0; g < groups.count; ++g) ++counts[random() % groups.count];
          std::vector<double> chosen(pairs.size());
          double sse = 0, n = 0;
          const GroupedFit::Fit fit = grouped.Solve(counts);
          for (size_t i = 0; i < pairs.size(); ++i) {
            const int count = counts[groups.of_pair[i]];
            chosen[i] = pairs[i].weight * count;
            sse += count * std::pow(y[i] - fit.polynomial(x[i]), 2);
            n += count;
          }
          EXPECT_NEAR(fit.sse, sse, 1e-9 * sse);
          EXPECT_EQ(fit.n, n);
          const FitSummary plain = FitPolynomialDirect(x, y, options, chosen, &start);
          // Robust ones stop at a hundred-thousandth of the noise.
          const double tolerance = options.robust() ? 1e-3 * start.scale : 1e-9;
          for (double at : {0.06, 0.15, 0.3, 0.45}) {
            EXPECT_NEAR(fit.polynomial(at), plain.polynomial(at), tolerance)
                << ToString(method) << " constrained " << constrained << " at " << at;
          }
        }
      }
    }
  }
}

// Few groups leave too few different x for all coefficients: still an answer.
TEST(GroupedFit, ChoicesThatCannotTellCoefficientsApart) {
  std::vector<Pair> pairs;
  for (int p = 0; p < 6; ++p) {
    for (int k = 0; k < 3; ++k) {
      Pair pair;
      pair.prompt = p;
      pair.call = k + 1;
      pair.x = 0.1 * (p + 1);
      pair.y = pair.x + 0.001 * k;
      pairs.push_back(pair);
    }
  }
  const Groups groups = MakeGroups(pairs);
  for (Method method : {Method::kPolyfit, Method::kHuber}) {
    for (const bool monotone : {false, true}) {
      FitOptions options;
      options.method = method;
      options.degree = 3;
      options.monotone = monotone;
      const GroupedFit grouped(pairs, groups, options);
      const GroupedFit::Fit fit = grouped.Solve({9, 0, 0, 0, 0, 9});
      EXPECT_NEAR(fit.polynomial(0.1), 0.101, 1e-3);
      EXPECT_NEAR(fit.polynomial(0.6), 0.601, 1e-3);
    }
  }
}

}  // namespace
}  // namespace teacache
