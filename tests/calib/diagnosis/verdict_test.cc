#include "calib/diagnosis/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace teacache {
namespace {

using testing::HasSubstr;

const Evidence kEnough = {1000, 5, 20, false, true};

CrossValidation Error(double rmse, double mae, double r2) { return {"", r2, rmse, mae}; }

TEST(Judge, ByTheErrorsOfPredictionsThatNeedNoPolynomial) {
  const FitOptions degree4;
  const CrossValidation constant = Error(1, 0.8, 0);
  const CrossValidation line = Error(0.6, 0.5, 0.64);
  const CrossValidation step = Error(0.7, 0.6, 0.51);
  EXPECT_EQ(Judge(degree4, kEnough, Error(0.4, 0.3, 0.84), constant, line, step).verdict,
            Verdict::kUse);
  EXPECT_EQ(Judge(degree4, kEnough, Error(0.598, 0.5, 0.64), constant, line, step).verdict,
            Verdict::kLineSuffices);
  EXPECT_EQ(Judge({.degree = 1}, kEnough, line, constant, line, step).verdict, Verdict::kUse);
  EXPECT_EQ(Judge(degree4, kEnough, Error(0.75, 0.5, 0.44), constant, line, step).verdict,
            Verdict::kUseSteps);
  const CrossValidation useless = Error(0.995, 0.8, 0.01);
  EXPECT_EQ(Judge(degree4, kEnough, useless, constant, useless, useless).verdict,
            Verdict::kNoSignal);
  // Worse than a constant, and steps no better: no signal.
  EXPECT_EQ(
      Judge(degree4, kEnough, Error(1.2, 1, -0.4), constant, Error(1.1, 1, -0.2), Error(1, 0.8, 0))
          .verdict,
      Verdict::kNoSignal);
}

TEST(Judge, RobustFitsByAbsoluteErrors) {
  const FitOptions huber = {.method = FitOptions::Method::kHuber};
  // The squared errors are those of outliers.
  const Judgement judgement =
      Judge(huber, kEnough, Error(5, 0.3, 0), Error(5, 0.8, 0), Error(5, 0.5, 0), Error(5, 0.6, 0));
  EXPECT_EQ(judgement.verdict, Verdict::kUse);
  EXPECT_THAT(judgement.text, HasSubstr("mean absolute error of 0.3"));
}

// However good it looks.
TEST(Judge, TooFewPromptsOrPairs) {
  const auto judge = [](const Evidence& evidence) {
    return Judge(
        {}, evidence, Error(0.1, 0.1, 0.99), Error(1, 1, 0), Error(1, 1, 0), Error(1, 1, 0));
  };
  const Judgement one = judge({1000, 5, 1, false});
  EXPECT_EQ(one.verdict, Verdict::kTooFew);
  EXPECT_THAT(one.text, HasSubstr("cannot be judged from one prompt"));
  EXPECT_THAT(one.text, HasSubstr("Record at least 10 prompts"));
  EXPECT_THAT(judge({1000, 5, 2, false}).text, HasSubstr("cannot be judged from 2 prompts"));
  EXPECT_EQ(judge({1000, 5, 3, false}).verdict, Verdict::kUse);
  EXPECT_THAT(judge({49, 5, 10, false}).text,
              HasSubstr("49 pairs are too few for 5 coefficients (at least 50)"));
  EXPECT_EQ(judge({50, 5, 10, false}).verdict, Verdict::kUse);
  EXPECT_EQ(judge({20, 2, 10, false}).verdict, Verdict::kUse);
  EXPECT_THAT(judge({1000, 5, 1, true}).text, HasSubstr("means over prompts"));
  // Pairs whose prompts nobody wrote down, but many.
  EXPECT_EQ(judge({1000, 5, 0, false}).verdict, Verdict::kUse);
  EXPECT_EQ(judge({10, 5, 0, false}).verdict, Verdict::kTooFew);
  EXPECT_THAT(judge({1000, 5, 0, false}).text, HasSubstr("if the pairs come from many prompts"));
}

TEST(Judge, UnknownStepsAreNoRival) {
  const Evidence pairs_only = {1000, 5, 0, false, false};
  const CrossValidation good = Error(0.1, 0.1, 0.99);
  const Judgement judgement =
      Judge({}, pairs_only, Error(0.4, 0.3, 0.84), Error(1, 1, 0), Error(0.6, 0.5, 0.6), good);
  EXPECT_EQ(judgement.verdict, Verdict::kUse);
  EXPECT_THAT(judgement.text, testing::Not(HasSubstr("step number")));
}

TEST(EvidenceOf, CountsWhatIsThere) {
  PairSet set;
  set.prompts = {"a", "b", "c"};
  set.calls = 3;
  set.pairs = {{.prompt = 0, .call = 1}, {.prompt = 2, .call = 1}, {.prompt = 2, .call = 2}};
  EXPECT_EQ(EvidenceOf(set, {.degree = 4}).pairs, 3);
  EXPECT_EQ(EvidenceOf(set, {.degree = 4}).prompts, 2);
  EXPECT_EQ(EvidenceOf(set, {.degree = 4}).coefficients, 5);
  EXPECT_EQ(EvidenceOf(set, {.degree = 4, .through_origin = true}).coefficients, 4);
  set.pairs.erase(set.pairs.begin());
  EXPECT_EQ(EvidenceOf(set, {}).prompts, 1);
  set.calls = 0;
  EXPECT_EQ(EvidenceOf(set, {}).prompts, 1);
  set.prompts = {"all"};
  set.pairs[0].prompt = set.pairs[1].prompt = 0;
  EXPECT_EQ(EvidenceOf(set, {}).prompts, 0);
  EXPECT_FALSE(EvidenceOf(set, {}).steps);
}

// Three prompts, four calls; `changes` decides whether x differs from prompt to prompt.
PairSet PairsOf(bool changes) {
  PairSet set;
  set.calls = set.steps = 5;
  set.branches = {"batched"};
  for (int prompt = 0; prompt < 3; ++prompt) {
    set.prompts.push_back(std::to_string(prompt));
    for (int call = 1; call < 5; ++call) {
      Pair pair;
      pair.prompt = prompt;
      pair.call = pair.step = call;
      pair.x = 0.1 * call + (changes && prompt == 2 ? 0.001 : 0);
      pair.y = 0.1 * call + 0.01 * prompt;
      set.pairs.push_back(pair);
    }
  }
  return set;
}

TEST(Judge, ASignalThatIsTheSameInEveryRunIsASchedule) {
  EXPECT_FALSE(EvidenceOf(PairsOf(true), {}).schedule);
  EXPECT_TRUE(EvidenceOf(PairsOf(false), {}).schedule);
  PairSet one = PairsOf(false);
  std::erase_if(one.pairs, [](const Pair& pair) { return pair.prompt > 0; });
  EXPECT_FALSE(EvidenceOf(one, {}).schedule) << "nothing to compare";
  Evidence evidence = kEnough;
  evidence.schedule = true;
  const CrossValidation same = Error(0.4, 0.3, 0.84);
  const Judgement judgement = Judge({}, evidence, same, Error(1, 0.8, 0), same, same);
  EXPECT_EQ(judgement.verdict, Verdict::kUseSteps);
  EXPECT_THAT(judgement.text, HasSubstr("the same in every run"));
}

}  // namespace
}  // namespace teacache
