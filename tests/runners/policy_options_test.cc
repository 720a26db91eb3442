#include "runners/policy_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "datasets/error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

PolicyOptions TeaCache(double threshold) {
  PolicyOptions options;
  options.name = "teacache";
  options.threshold = threshold;
  options.polynomial = Polynomial({1, 0});
  return options;
}
PolicyOptions Uniform(int computed) {
  PolicyOptions options;
  options.name = "uniform";
  options.computed_calls = computed;
  return options;
}
PolicyOptions Mask(const std::string& mask) {
  PolicyOptions options;
  options.name = "mask";
  options.mask = mask;
  return options;
}

std::string ErrorOf(const PolicyOptions& options, int calls) {
  try {
    options.Make(calls);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(PolicyOptions, MakesThePolicyOfTheName) {
  EXPECT_EQ(PolicyOptions{}.Make(30)->name(), "none");
  EXPECT_EQ(TeaCache(0.2).Make(30)->name(), "teacache");
  EXPECT_EQ(Uniform(10).Make(30)->name(), "uniform");
  EXPECT_EQ(Mask("CSC").Make(3)->name(), "mask");
  EXPECT_FALSE(PolicyOptions{}.Make(30)->needs_signal());
  EXPECT_TRUE(TeaCache(0.2).Make(30)->needs_signal());
}

TEST(PolicyOptions, IdsNameFolders) {
  EXPECT_EQ(PolicyOptions{}.Id(), "none");
  EXPECT_EQ(TeaCache(0.1).Id(), "teacache-0.1");
  EXPECT_EQ(TeaCache(0).Id(), "teacache-0");
  EXPECT_EQ(Uniform(12).Id(), "uniform-12");
  EXPECT_EQ(Mask("CSSC").Id(), "mask-2");
}

TEST(PolicyOptions, WhatDoesNotFitIsSaid) {
  PolicyOptions unknown;
  unknown.name = "magic";
  EXPECT_THAT(ErrorOf(unknown, 30),
              AllOf(StartsWith("--cache"),
                    HasSubstr("none, teacache, uniform or mask"),
                    HasSubstr("'magic'")));
  PolicyOptions no_coefficients = TeaCache(0.1);
  no_coefficients.polynomial = Polynomial();
  EXPECT_THAT(ErrorOf(no_coefficients, 30), AllOf(StartsWith("--coeffs"), HasSubstr("fit-coeffs")));
  for (const double threshold :
       {-1.0, -1e-9, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THAT(ErrorOf(TeaCache(threshold), 30), HasSubstr("threshold")) << threshold;
  }
  EXPECT_EQ(ErrorOf(TeaCache(0), 30), "no error");
  for (const int computed : {-1, 0, 31}) {
    EXPECT_THAT(ErrorOf(Uniform(computed), 30),
                AllOf(HasSubstr("1 to 30"), HasSubstr(std::to_string(computed))));
  }
  EXPECT_THAT(ErrorOf(Mask("CSC"), 4), AllOf(HasSubstr("4 calls"), HasSubstr("has 3")));
  EXPECT_THAT(ErrorOf(Mask("SCC"), 3), HasSubstr("first call"));
  EXPECT_THAT(ErrorOf(Mask("CSX"), 3), AllOf(StartsWith("--mask"), HasSubstr("'CSX'")));
}

TEST(ParseMask, LettersOnly) {
  EXPECT_THAT(ParseMask("CCSC"), ElementsAre(true, true, false, true));
  EXPECT_TRUE(ParseMask("").empty());
  EXPECT_THROW(ParseMask("cs"), UserError);
}

}  // namespace
}  // namespace teacache
