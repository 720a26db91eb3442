#include "calib/rules/policy_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

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

PolicyOptions MagCache(const std::vector<double>& ratios) {
  PolicyOptions options;
  options.name = "magcache";
  options.threshold = 0.05;
  options.magcache = {.max_skips = 2, .retention = 0, .ratios = ratios};
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
  EXPECT_EQ(MagCache({1, 0.9}).Make(2)->name(), "magcache");
  EXPECT_FALSE(MagCache({1, 0.9}).Make(2)->needs_signal());
  EXPECT_FALSE(PolicyOptions{}.Make(30)->needs_signal());
  EXPECT_TRUE(TeaCache(0.2).Make(30)->needs_signal());
}

TEST(PolicyOptions, IdsNameFolders) {
  EXPECT_EQ(PolicyOptions{}.Id(), "none");
  EXPECT_EQ(TeaCache(0.1).Id(), "teacache-0.1");
  EXPECT_EQ(TeaCache(0).Id(), "teacache-0");
  EXPECT_EQ(Uniform(12).Id(), "uniform-12");
  EXPECT_EQ(Mask("CSSC").Id(), "mask-2");
  EXPECT_EQ(MagCache({1, 1}).Id(), "magcache-0.05");
}

TEST(PolicyOptions, EnginesRules) {
  PolicyOptions options = TeaCache(0.1);
  options.engine = "comfyui";
  EXPECT_EQ(options.Make(30)->rule()->name, "comfyui");
  EXPECT_EQ(options.Id(), "teacache-0.1-comfyui");
  options.teacache_mode = TeaCacheMode::kReference;
  EXPECT_THAT(ErrorOf(options, 30), HasSubstr("--engine"));
  options = TeaCache(0.1);
  options.engine = "comfy";
  EXPECT_THAT(ErrorOf(options, 30), HasSubstr("comfyui-flux"));
}

TEST(PolicyOptions, WhatDoesNotFitIsSaid) {
  PolicyOptions unknown;
  unknown.name = "magic";
  EXPECT_THAT(ErrorOf(unknown, 30),
              AllOf(StartsWith("--cache"),
                    HasSubstr("none, teacache, uniform, mask or magcache"),
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

std::string Schedule(const PolicyOptions& options, int calls) {
  const auto policy = options.Make(calls);
  PolicyState state;
  std::string text;
  for (int call = 0; call < calls; ++call) {
    text += policy->Decide({call, calls, 0}, &state).compute ? 'C' : 'S';
  }
  return text;
}

TEST(PolicyOptions, MagCacheFollowsItsRatios) {
  EXPECT_EQ(Schedule(MagCache({1, 1, 1, 1, 1, 1, 1}), 7), "CSSCSSC");
  EXPECT_EQ(Schedule(MagCache({1, 0.97, 0.97, 1, 1, 0.9, 1}), 7), "CSCSSCS");
  // Ratios of other runs are taken where they are nearest: 1, 0.9, 1 for 5 calls.
  EXPECT_EQ(Schedule(MagCache({1, 0.9, 1}), 5), Schedule(MagCache({1, 1, 0.9, 1, 1}), 5));
  EXPECT_THAT(ErrorOf(MagCache({}), 5), StartsWith("--mag-ratios"));
}

TEST(ReadMagRatios, ReadsWhatFitCoeffsEmits) {
  const TempDir folder;
  const std::string path = folder / "magcache.json";
  AtomicWriteFile(path, R"({"num_inference_steps": 3, "mag_ratios": [1, 0.9, 0.8]})");
  EXPECT_THAT(ReadMagRatios(path), ElementsAre(1, 0.9, 0.8));
  for (const char* wrong : {"", "[1]", "{}", R"({"mag_ratios": []})", R"({"mag_ratios": ["a"]})"}) {
    AtomicWriteFile(path, wrong);
    EXPECT_THROW(ReadMagRatios(path), UserError) << wrong;
  }
}

TEST(ParseMask, LettersOnly) {
  EXPECT_THAT(ParseMask("CCSC"), ElementsAre(true, true, false, true));
  EXPECT_TRUE(ParseMask("").empty());
  EXPECT_THROW(ParseMask("cs"), UserError);
}

}  // namespace
}  // namespace teacache
