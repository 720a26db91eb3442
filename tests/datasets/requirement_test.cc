#include "datasets/requirement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/user_error.h"

namespace teacache {
namespace {

using testing::HasSubstr;

constexpr double kInf = std::numeric_limits<double>::infinity();

RequirementOutcome Check(const std::string& text,
                         const std::vector<double>& values,
                         bool higher_is_better = true) {
  return CheckRequirement(ParseRequirement(text), values, higher_is_better);
}

TEST(Requirement, IsParsed) {
  const Requirement plain = ParseRequirement("psnr>=28");
  EXPECT_EQ(plain.metric, "psnr");
  EXPECT_EQ(plain.statistic, "mean");
  EXPECT_EQ(plain.comparison, ">=");
  EXPECT_EQ(plain.bound, 28);
  const Requirement spaced = ParseRequirement(" imaging_quality.worst < 1e-2 ");
  EXPECT_EQ(spaced.metric, "imaging_quality");
  EXPECT_EQ(spaced.statistic, "worst");
  EXPECT_EQ(spaced.comparison, "<");
  EXPECT_EQ(spaced.bound, 0.01);
}

TEST(Requirement, MistakesAreNamed) {
  for (const char* text : {"",
                           "psnr",
                           "psnr=28",
                           "psnr==28",
                           "psnr>=",
                           "psnr>=x",
                           "psnr>=28dB",
                           ">=28",
                           ".p5>=28",
                           "psnr.p6>=28",
                           "psnr.>=28",
                           "psnr=>28",
                           "psnr>=nan",
                           "psnr>=inf",
                           "psnr>=28>=3"}) {
    EXPECT_THAT(ErrorOf([&] { ParseRequirement(text); }), HasSubstr("--require")) << text;
  }
}

TEST(Requirement, Statistics) {
  const std::vector<double> values = {1, 2, 3, 4, 10};
  EXPECT_EQ(Check("a>=0", values).value, 4);
  EXPECT_EQ(Check("a.median>=0", values).value, 3);
  EXPECT_EQ(Check("a.min>=0", values).value, 1);
  EXPECT_EQ(Check("a.max>=0", values).value, 10);
  EXPECT_NEAR(Check("a.p5>=0", values).value, 1.2, 1e-12);
  EXPECT_NEAR(Check("a.p95>=0", values).value, 8.8, 1e-12);
  EXPECT_EQ(Check("a.worst>=0", values).value, 1);
  EXPECT_EQ(Check("a.worst>=0", values, /*higher_is_better=*/false).value, 10);
}

TEST(Requirement, Comparisons) {
  EXPECT_TRUE(Check("a>=2", {2}).met);
  EXPECT_FALSE(Check("a>2", {2}).met);
  EXPECT_TRUE(Check("a<=2", {2}).met);
  EXPECT_FALSE(Check("a<2", {2}).met);
}

// Identical videos have an infinite PSNR.
TEST(Requirement, IdenticalVideosSatisfyAnyLowerLimit) {
  for (const char* statistic : {"mean", "median", "min", "p5", "p95", "worst"}) {
    EXPECT_TRUE(Check(std::string("psnr.") + statistic + ">=1000", {kInf, kInf}).met) << statistic;
  }
  EXPECT_EQ(Check("psnr>=28", {30, kInf}).value, 30);
  EXPECT_EQ(Check("psnr.p5>=28", {27, kInf, kInf}).value, 27);
  EXPECT_EQ(Check("psnr.min>=28", {27, kInf, kInf}).value, 27);
  EXPECT_EQ(Check("psnr.p95>=28", {27, 28, kInf}).value, kInf);
}

TEST(Requirement, ExitCodesAndLines) {
  const RequirementOutcome met = Check("a>=1", {2}), failed = Check("a>=3", {2}),
                           missing = Check("b>=3", {});
  EXPECT_EQ(ExitCodeOf({met}, 0), 0);
  EXPECT_EQ(ExitCodeOf({met, failed}, 0), 3);
  EXPECT_EQ(ExitCodeOf({failed, missing}, 0), 1);
  EXPECT_EQ(ExitCodeOf({failed}, 1), 1);
  EXPECT_EQ(BreachLines({met, failed, missing}),
            "a>=3 failed: the mean is 2\nb>=3 failed: nothing was scored by it\n");
}

}  // namespace
}  // namespace teacache
