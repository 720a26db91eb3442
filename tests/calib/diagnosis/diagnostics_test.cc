#include "calib/diagnosis/diagnostics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "datasets/base/error.h"
#include "tests/calib/krea.h"
#include "tests/support/matchers.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using Method = FitOptions::Method;

// y = f(x) + step effect + prompt effect + noise.
struct Recipe {
  int prompts = 12;
  int calls = 20;
  double signal = 1;
  double step_effect = 0;
  double prompt_effect = 0;
  double noise = 0.01;
  unsigned seed = 4;
};

PairSet MakePairs(const Recipe& recipe) {
  std::mt19937 random(recipe.seed);
  std::normal_distribution<double> normal(0, 1);
  PairSet set;
  set.branches = {"batched"};
  set.calls = set.steps = recipe.calls;
  for (int p = 0; p < recipe.prompts; ++p) {
    set.prompts.push_back("prompt " + std::to_string(p));
    const double prompt_effect = recipe.prompt_effect * normal(random);
    for (int call = 1; call < recipe.calls; ++call) {
      Pair pair;
      pair.prompt = p;
      pair.call = pair.step = call;
      pair.x = 0.05 + 0.3 * std::fabs(std::sin(0.7 * call)) + 0.04 * std::fabs(normal(random));
      pair.y = 0.1 + recipe.signal * (2 * pair.x * pair.x) + prompt_effect +
               recipe.step_effect * (call % 3) + recipe.noise * normal(random);
      set.pairs.push_back(pair);
    }
  }
  return set;
}

Diagnostics DiagnosePlain(const PairSet& set, int degree = 4, DiagnosticsOptions options = {}) {
  FitOptions fit_options;
  fit_options.degree = degree;
  const FitSummary fit = FitPolynomial(Xs(set), Ys(set), fit_options);
  return Diagnose(set, set, fit_options, fit, options);
}

std::vector<int> SomeOf(const PairSet& set, int except) {
  std::vector<int> indices;
  for (size_t i = 0; i < set.pairs.size(); ++i) {
    if (set.pairs[i].prompt != except) indices.push_back(static_cast<int>(i));
  }
  return indices;
}

// The same by doing it: a fit without each prompt, from its pairs.
// Data that every degree hits exactly: rounding does not decide.
TEST(RefuseWorseDegree, LeavesRoundingAlone) {
  PairSet set;
  set.prompts = {"a", "b", "c"};
  set.calls = set.steps = 20;
  for (int i = 0; i < 57; ++i) {
    Pair pair;
    pair.prompt = i / 19;
    pair.call = pair.step = i % 19 + 1;
    pair.x = 0.1 + 0.01 * i;
    pair.y = 0.2 + 0.03 * i;
    set.pairs.push_back(pair);
  }
  EXPECT_NO_THROW(RefuseWorseDegree(CrossValidateDegrees(set, {}, 8), {.degree = 8}));
  for (Pair& pair : set.pairs) pair.y = 0.3;
  EXPECT_NO_THROW(RefuseWorseDegree(CrossValidateDegrees(set, {}, 8), {.degree = 8}));
}

TEST(CrossValidate, EqualsFitsWithoutEachPrompt) {
  const PairSet set = MakePairs({});
  for (Method method : {Method::kPolyfit, Method::kHuber}) {
    FitOptions options;
    options.method = method;
    options.degree = 3;
    double sse = 0;
    for (int prompt = 0; prompt < 12; ++prompt) {
      std::vector<double> x, y;
      for (int i : SomeOf(set, prompt)) {
        x.push_back(set.pairs[i].x);
        y.push_back(set.pairs[i].y);
      }
      // Robust fits depend (slightly) on the scale, which is estimated once from all pairs.
      std::vector<double> weights;
      for (const Pair& pair : set.pairs) weights.push_back(pair.prompt == prompt ? 0 : 1);
      const FitSummary start = FitPolynomialDirect(Xs(set), Ys(set), options);
      const Polynomial f =
          method == Method::kPolyfit
              ? FitPolynomial(x, y, options).polynomial
              : FitPolynomialDirect(Xs(set), Ys(set), options, weights, &start).polynomial;
      for (const Pair& pair : set.pairs) {
        if (pair.prompt == prompt) sse += (pair.y - f(pair.x)) * (pair.y - f(pair.x));
      }
    }
    EXPECT_NEAR(CrossValidate(set, options).rmse,
                std::sqrt(sse / static_cast<double>(set.pairs.size())),
                method == Method::kPolyfit ? 1e-9 : 1e-7);
  }
}

TEST(CrossValidateSteps, MeanOfTheOthers) {
  PairSet set;
  set.branches = {"batched"};
  for (int p = 0; p < 3; ++p) {
    for (int call = 1; call <= 2; ++call) {
      Pair pair;
      pair.prompt = p;
      pair.call = call;
      pair.x = p + 10 * call;
      pair.y = std::vector{1.0, 2.0, 6.0}[p] * call;
      set.pairs.push_back(pair);
    }
  }
  // Predictions at call 1: 4, 3.5, 1.5; at call 2 twice as much.
  const double sse = 5 * (9 + 1.5 * 1.5 + 4.5 * 4.5);
  EXPECT_NEAR(CrossValidateSteps(set).rmse, std::sqrt(sse / 6), 1e-14);
}

TEST(Diagnose, QualityFigures) {
  const PairSet set = MakePairs({});
  FitOptions options;
  const FitSummary fit = FitPolynomial(Xs(set), Ys(set), options);
  const Diagnostics d = Diagnose(set, set, options, fit);
  EXPECT_NEAR(d.window.r2, fit.r2, 1e-12);
  EXPECT_NEAR(d.window.rmse, fit.rmse, 1e-12);
  // For least squares with a constant the correlation's square is R2.
  EXPECT_NEAR(d.window.pearson * d.window.pearson, fit.r2, 1e-9);
  EXPECT_GT(d.window.spearman, 0.9);
  EXPECT_LT(d.window.mae, d.window.rmse);
  EXPECT_EQ(d.groups, "prompt");
  EXPECT_EQ(d.num_groups, 12);
  EXPECT_LT(d.cv.r2, fit.r2);
  EXPECT_EQ(d.verdict, Verdict::kUse);
}

TEST(Diagnose, WindowAndAll) {
  const PairSet all = MakePairs({});
  std::vector<bool> forced(20, false);
  forced[1] = forced[19] = true;
  const PairSet window = WithoutCalls(all, forced);
  EXPECT_EQ(window.pairs.size(), all.pairs.size() - 24);
  const FitSummary fit = FitPolynomial(Xs(window), Ys(window), {});
  const Diagnostics d = Diagnose(all, window, {}, fit);
  EXPECT_EQ(d.all.n, static_cast<int64_t>(all.pairs.size()));
  EXPECT_EQ(d.window.n, fit.n);
}

// Every tenth pair or so is wrong by far.
PairSet WithOutliers(PairSet set, unsigned seed) {
  std::mt19937 random(seed);
  for (Pair& pair : set.pairs) {
    if (random() % 10 == 0) pair.y += 3 + static_cast<double>(random() % 100) / 25;
  }
  return set;
}

// How often the 95 % bands of `sets` independent data sets of 30 prompts, whose pairs share a
// prompt's effect, contain the truth, at their three points together.
double Coverage(int sets, const FitOptions& fit_options, bool outliers) {
  DiagnosticsOptions options;
  options.bootstrap = 300;
  options.band_points = 3;
  options.learning_repeats = 1;
  const DegreeTable none;
  int covered = 0;
  for (int i = 0; i < sets; ++i) {
    const unsigned seed = 100 + static_cast<unsigned>(i);
    PairSet set = MakePairs({.prompts = 30, .prompt_effect = 0.02, .seed = seed});
    if (outliers) set = WithOutliers(std::move(set), seed);
    const FitSummary fit = FitPolynomial(Xs(set), Ys(set), fit_options);
    for (const BandPoint& point : Diagnose(set, set, fit_options, fit, options, &none).band) {
      const double truth = 0.1 + 2 * point.x * point.x;
      covered += truth >= point.lo && truth <= point.hi;
      EXPECT_LE(point.lo, point.f);
      EXPECT_GE(point.hi, point.f);
    }
  }
  return covered / (3.0 * sets);
}

// Resampling 30 prompts is known to give bands a little narrow (the variance of a sample of 30 is
// 29/30 of the truth's, and percentiles ignore its spread): 0.92 to 0.94 instead of 0.95. Three
// standard deviations of the simulation on both sides.
TEST(Diagnose, BandsCoverTheTruthAtTheNominalRate) {
  const double coverage = Coverage(150, {.degree = 2}, false);
  EXPECT_GT(coverage, 0.88);
  EXPECT_LT(coverage, 0.985);
}

TEST(Diagnose, BandsOfRobustFitsCoverTheTruthInSpiteOfOutliers) {
  const FitOptions tukey = {.method = Method::kTukey, .degree = 2};
  const double coverage = Coverage(50, tukey, true);
  EXPECT_GT(coverage, 0.84);
  // Pairs that are independent would have bands several times too narrow: the same check fails for
  // plain least squares, whose fits the outliers have spoilt.
  EXPECT_LT(Coverage(20, {.degree = 2}, true), 0.5);
}

TEST(Diagnose, SameSeedSameBands) {
  const PairSet set = MakePairs({});
  const Diagnostics a = DiagnosePlain(set);
  const Diagnostics b = DiagnosePlain(set);
  EXPECT_EQ(a.band[50].lo, b.band[50].lo);
  EXPECT_EQ(a.learning[1].rmse, b.learning[1].rmse);
  const Diagnostics c = DiagnosePlain(set, 4, {.seed = 2});
  EXPECT_NE(a.band[50].lo, c.band[50].lo);
}

TEST(Diagnose, RecognisesAStepPattern) {
  const Diagnostics d =
      DiagnosePlain(MakePairs({.signal = 0.1, .step_effect = 0.3, .noise = 0.02}));
  EXPECT_EQ(d.verdict, Verdict::kUseSteps);
  EXPECT_THAT(d.verdict_text, HasSubstr("step number"));
}

TEST(Diagnose, RecognisesNoSignal) {
  const Diagnostics d = DiagnosePlain(MakePairs({.signal = 0, .noise = 0.1}));
  EXPECT_EQ(d.verdict, Verdict::kNoSignal);
}

TEST(Diagnose, RecognisesALine) {
  PairSet set = MakePairs({.signal = 0, .noise = 0.02});
  for (Pair& pair : set.pairs) pair.y += 3 * pair.x;
  // Without the pattern over steps that x itself has.
  std::mt19937 random(2);
  for (Pair& pair : set.pairs) {
    const double shift = std::uniform_real_distribution<double>(0, 0.3)(random);
    pair.x += shift;
    pair.y += 3 * shift;
  }
  EXPECT_EQ(DiagnosePlain(set).verdict, Verdict::kLineSuffices);
  EXPECT_EQ(DiagnosePlain(set, 1).verdict, Verdict::kUse);
}

TEST(Diagnose, FindsTheStepThatCarriesTheFit) {
  PairSet set = MakePairs({.signal = 0, .noise = 0.05});
  for (Pair& pair : set.pairs) {
    if (pair.call == 7) {
      pair.x += 1;
      pair.y += 2;
    }
  }
  const Diagnostics d = DiagnosePlain(set, 2);
  EXPECT_EQ(d.carrying_call, 7);
  const auto step =
      std::find_if(d.steps.begin(), d.steps.end(), [](const auto& s) { return s.call == 7; });
  EXPECT_LT(step->r2_without, 0.2);
  EXPECT_GT(d.window.r2, 0.9);
  double total = 0;
  for (const auto& s : d.steps) {
    total += s.leverage;
    EXPECT_LE(s.leverage, step->leverage);
  }
  EXPECT_NEAR(total, 1, 1e-9);
  EXPECT_FALSE(DiagnosePlain(MakePairs({})).carrying_call.has_value());
}

TEST(Diagnose, StepFiguresAreMeansAndDeviations) {
  const PairSet set = MakePairs({});
  const Diagnostics d = DiagnosePlain(set);
  ASSERT_EQ(d.steps.size(), 19u);
  double sum = 0, squares = 0;
  for (const Pair& pair : set.pairs) {
    if (pair.call == 3) {
      sum += pair.x;
      squares += pair.x * pair.x;
    }
  }
  EXPECT_EQ(d.steps[2].call, 3);
  EXPECT_EQ(d.steps[2].n, 12);
  EXPECT_NEAR(d.steps[2].x_mean, sum / 12, 1e-14);
  EXPECT_NEAR(d.steps[2].x_sd, std::sqrt((squares - sum * sum / 12) / 11), 1e-9);
}

TEST(Diagnose, MeasuresDriftBetweenPrompts) {
  const Diagnostics none = DiagnosePlain(MakePairs({.prompts = 30}));
  EXPECT_EQ(none.drift[0].group, "prompt");
  EXPECT_LT(none.drift[0].share, 0.05);
  const Diagnostics strong = DiagnosePlain(MakePairs({.prompts = 30, .prompt_effect = 0.05}));
  // Variance of the effect against the noise: 25 to 1.
  EXPECT_GT(strong.drift[0].share, 0.85);
  EXPECT_EQ(strong.drift[0].groups, 30);
  EXPECT_THAT(strong.drift[0].largest_name, HasSubstr("prompt "));
  EXPECT_EQ(strong.drift[1].groups, 1);
  EXPECT_EQ(strong.drift[1].share, 0);
}

TEST(Diagnose, LearningCurve) {
  const Diagnostics d = DiagnosePlain(MakePairs({.prompts = 40}), 2);
  EXPECT_EQ(d.learning.front().prompts, 1);
  EXPECT_EQ(d.learning.back().prompts, 39);
  EXPECT_GE(d.learning.front().rmse, d.learning.back().rmse);
  EXPECT_TRUE(d.enough_prompts);
  const Diagnostics few = DiagnosePlain(MakePairs({.prompts = 3, .calls = 8}), 4);
  EXPECT_FALSE(few.enough_prompts);
}

TEST(Diagnose, NegativeAndDecreasingStretches) {
  PairSet set = MakePairs({});
  for (Pair& pair : set.pairs) pair.y = 20 * (pair.x - 0.1) * (pair.x - 0.25);
  const Diagnostics d = DiagnosePlain(set, 2);
  ASSERT_EQ(d.negative.size(), 1u);
  EXPECT_NEAR(d.negative[0].lo, 0.1, 1e-9);
  EXPECT_NEAR(d.negative[0].hi, 0.25, 1e-9);
  ASSERT_EQ(d.decreasing.size(), 1u);
  EXPECT_NEAR(d.decreasing[0].hi, 0.175, 1e-9);
}

TEST(Diagnose, OnePromptGroupsByRunThenByCall) {
  PairSet set = MakePairs({.prompts = 1});
  EXPECT_EQ(DiagnosePlain(set).groups, "call");
  const size_t n = set.pairs.size();
  for (size_t i = 0; i < n; ++i) {
    Pair pair = set.pairs[i];
    pair.seed = 1;
    set.pairs.push_back(pair);
  }
  EXPECT_EQ(DiagnosePlain(set).groups, "run");
}

TEST(Diagnose, RobustAndConstrainedFits) {
  const PairSet set = MakePairs({});
  for (Method method : {Method::kCeres, Method::kTukey}) {
    FitOptions options;
    options.method = method;
    options.degree = 3;
    options.monotone = true;
    options.non_negative = true;
    const FitSummary fit = FitPolynomial(Xs(set), Ys(set), options);
    const Diagnostics d = Diagnose(set, set, options, fit, {.bootstrap = 30});
    EXPECT_GT(d.cv.r2, 0.9);
    for (const BandPoint& point : d.band) {
      EXPECT_LE(point.lo, point.hi);
      EXPECT_GE(point.lo, -1e-12);
    }
  }
}

// Weights change the fit, not what R2 and RMSE are of.
TEST(Diagnose, IntervalsOfWeightedFitsAreUnweighted) {
  PairSet set = MakePairs({.noise = 0.05});
  for (Pair& pair : set.pairs) pair.weight = pair.call == 1 ? 0.01 : 3;
  for (Method method : {Method::kPolyfit, Method::kHuber}) {
    FitOptions options;
    options.method = method;
    options.degree = 2;
    const FitSummary fit = FitPolynomial(Xs(set), Ys(set), options, Weights(set));
    const Diagnostics d = Diagnose(set, set, options, fit, {.bootstrap = 100});
    EXPECT_LT(d.r2.lo, fit.r2);
    EXPECT_GT(d.r2.hi, fit.r2);
    EXPECT_LT(d.rmse.lo, fit.rmse);
    EXPECT_GT(d.rmse.hi, fit.rmse);
  }
}

// What outliers do to squared errors must not decide about a robust fit.
TEST(Diagnose, RobustFitsAreJudgedByAbsoluteErrors) {
  const PairSet set = WithOutliers(MakePairs({.prompts = 20, .signal = 2, .noise = 0.02}), 3);
  FitOptions options = {.method = Method::kTukey, .degree = 2};
  const FitSummary fit = FitPolynomial(Xs(set), Ys(set), options);
  const Diagnostics d = Diagnose(set, set, options, fit, {.bootstrap = 50});
  EXPECT_LT(d.cv.r2, 0.1);  // of outliers
  EXPECT_LT(d.cv.mae, 0.85 * d.baselines[0].mae);
  EXPECT_EQ(d.verdict, Verdict::kUse) << d.verdict_text;
  EXPECT_THAT(d.verdict_text, HasSubstr("mean absolute error"));
  EXPECT_EQ(ChooseDegree(CrossValidateDegrees(set, options, 5)), 2);
}

TEST(CrossValidateDegrees, FitsAsAsked) {
  PairSet set = MakePairs({.noise = 0.05});
  for (Pair& pair : set.pairs) pair.y = 0.5 - pair.y;  // falls: a monotone fit can only be constant
  for (const FitOptions& options : {FitOptions{.method = Method::kHuber},
                                    FitOptions{.monotone = true},
                                    FitOptions{.through_origin = true},
                                    FitOptions{}}) {
    const DegreeTable table = CrossValidateDegrees(set, options, 4);
    ASSERT_EQ(table.degrees.size(), 4u);
    for (int degree = 1; degree <= 4; ++degree) {
      FitOptions own = options;
      own.degree = degree;
      EXPECT_EQ(table.degrees[degree - 1].rmse, CrossValidate(set, own).rmse);
    }
    if (options.monotone) {
      EXPECT_LT(table.degrees[1].r2, 0.1);
    }
    if (options.robust()) {
      EXPECT_GT(table.degrees[1].r2, 0.5);
    }
  }
}

TEST(CrossValidateSteps, MediansOfTheOthersForRobustFits) {
  PairSet set;
  set.branches = {"batched"};
  for (int p = 0; p < 5; ++p) {
    Pair pair;
    pair.prompt = p;
    pair.call = 1;
    pair.x = p;
    pair.y = std::vector{1.0, 2.0, 3.0, 4.0, 1000.0}[p];
    set.pairs.push_back(pair);
  }
  // Of four others the upper of the middle two: 4, 4, 4, 3, 3.
  const double absolute = 3 + 2 + 1 + 1 + 997;
  EXPECT_NEAR(CrossValidateSteps(set, {.method = Method::kHuber}).mae, absolute / 5, 1e-12);
}

TEST(ChooseDegree, TakesTheSimplest) {
  PairSet set = MakePairs({.noise = 0.001});
  EXPECT_EQ(ChooseDegree(CrossValidateDegrees(set, {}, 8)), 2);
  for (Pair& pair : set.pairs) pair.y = 0.2 + pair.x;
  set.pairs[0].y += 1e-6;
  EXPECT_EQ(ChooseDegree(CrossValidateDegrees(set, {}, 8)), 1);
}

TEST(MakeWeights, Kinds) {
  const PairSet set = MakePairs({});
  EXPECT_TRUE(MakeWeights(set, "none").empty());
  for (double w : MakeWeights(set, "steps")) EXPECT_DOUBLE_EQ(w, 1);
  PairSet noisy = set;
  for (size_t i = 0; i < noisy.pairs.size(); ++i) {
    if (noisy.pairs[i].call == 1) noisy.pairs[i].y += (i % 2 ? 1 : -1);
  }
  const auto weights = MakeWeights(noisy, "variance");
  EXPECT_LT(weights[0], 0.01 * weights[1]);
  EXPECT_THROW(MakeWeights(set, "x"), UserError);
  PairSet one = MakePairs({.prompts = 1});
  EXPECT_THROW(MakeWeights(one, "variance"), UserError);
}

TEST(Krea, KnownAnswers) {
  const auto krea = ReadKrea();
  if (!krea) GTEST_SKIP() << "no krea trace in TEACACHE_SHARED_GOLDEN_DIR";
  const double expected[] = {0.644, 0.644, 0.656, 0.658, 0.570, 0.645};
  // The same by numpy 2.4.6 (a polyfit without each prompt) on this file.
  const double numpy[] = {0.6434878407377576,
                          0.6443271143434599,
                          0.6561187256258394,
                          0.6578401994114824,
                          0.5702352380097042,
                          0.6453923911020876};
  for (int degree = 1; degree <= 6; ++degree) {
    FitOptions options;
    options.degree = degree;
    EXPECT_NEAR(CrossValidate(*krea, options).r2, expected[degree - 1], 6e-4) << degree;
    EXPECT_NEAR(CrossValidate(*krea, options).r2, numpy[degree - 1], 1e-10) << degree;
  }
  EXPECT_NEAR(CrossValidateSteps(*krea).r2, 0.876, 5e-4);
  const Diagnostics d = DiagnosePlain(*krea);
  EXPECT_EQ(d.verdict, Verdict::kUseSteps);
  EXPECT_EQ(d.carrying_call, 1);
  EXPECT_NEAR(d.steps[0].r2_without, 0.219, 5e-4);
  // calibration.md 0: f(0.10) in [0.242, 0.286], f(0.20) in [0.388, 0.426]. Random resamples: the
  // ends agree to about a tenth of the width.
  const auto at = [&](double x) {
    return *std::min_element(d.band.begin(), d.band.end(), [x](const auto& a, const auto& b) {
      return std::fabs(a.x - x) < std::fabs(b.x - x);
    });
  };
  EXPECT_NEAR(at(0.10).lo, 0.242, 0.008);
  EXPECT_NEAR(at(0.10).hi, 0.286, 0.008);
  EXPECT_NEAR(at(0.20).lo, 0.388, 0.008);
  EXPECT_NEAR(at(0.20).hi, 0.426, 0.008);
  EXPECT_THAT([&] { RefuseWorseDegree(CrossValidateDegrees(*krea, {}, 5), {.degree = 5}); },
              ThrowsMessage<UserError>(HasSubstr("degree 5")));
  EXPECT_NO_THROW(RefuseWorseDegree(CrossValidateDegrees(*krea, {}, 5), {.degree = 4}));
}

}  // namespace
}  // namespace teacache
