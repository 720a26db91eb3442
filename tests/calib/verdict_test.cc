#include "calib/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace teacache {
namespace {

using testing::HasSubstr;

CrossValidation Error(double rmse, double mae, double r2) { return {"", r2, rmse, mae}; }

TEST(Judge, ByTheErrorsOfPredictionsThatNeedNoPolynomial) {
  const FitOptions degree4;
  const CrossValidation constant = Error(1, 0.8, 0);
  const CrossValidation line = Error(0.6, 0.5, 0.64);
  const CrossValidation step = Error(0.7, 0.6, 0.51);
  EXPECT_EQ(Judge(degree4, Error(0.4, 0.3, 0.84), constant, line, step).verdict, Verdict::kUse);
  EXPECT_EQ(Judge(degree4, Error(0.598, 0.5, 0.64), constant, line, step).verdict,
            Verdict::kLineSuffices);
  EXPECT_EQ(Judge({.degree = 1}, line, constant, line, step).verdict, Verdict::kUse);
  EXPECT_EQ(Judge(degree4, Error(0.75, 0.5, 0.44), constant, line, step).verdict,
            Verdict::kUseSteps);
  const CrossValidation useless = Error(0.995, 0.8, 0.01);
  EXPECT_EQ(Judge(degree4, useless, constant, useless, useless).verdict, Verdict::kNoSignal);
  // Worse than a constant, and steps no better: no signal.
  EXPECT_EQ(
      Judge(degree4, Error(1.2, 1, -0.4), constant, Error(1.1, 1, -0.2), Error(1, 0.8, 0)).verdict,
      Verdict::kNoSignal);
}

TEST(Judge, RobustFitsByAbsoluteErrors) {
  const FitOptions huber = {.method = FitOptions::Method::kHuber};
  // The squared errors are those of outliers.
  const Judgement judgement =
      Judge(huber, Error(5, 0.3, 0), Error(5, 0.8, 0), Error(5, 0.5, 0), Error(5, 0.6, 0));
  EXPECT_EQ(judgement.verdict, Verdict::kUse);
  EXPECT_THAT(judgement.text, HasSubstr("mean absolute error of 0.3"));
}

}  // namespace
}  // namespace teacache
