#include "calib/rules/policy_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

PolicyOptions Tea(double threshold) {
  TeaCache options;
  options.threshold = threshold;
  options.polynomial = Polynomial({1, 0});
  return options;
}
PolicyOptions Mag(const std::vector<double>& ratios) {
  MagCache options;
  options.threshold = 0.05;
  options.max_skips = 2;
  options.retention = 0;
  options.ratios = ratios;
  return options;
}

std::string ErrorOf(const PolicyOptions& options, int calls) {
  return teacache::ErrorOf([&] { MakePolicy(options, calls); });
}

TEST(PolicyOptions, NamesLabelsAndDefaults) {
  EXPECT_EQ(PolicyNames(),
            "none, teacache, uniform, interval, mask, schedule, magcache, fbcache or easycache");
  for (const char* name : {"none",
                           "teacache",
                           "uniform",
                           "interval",
                           "mask",
                           "schedule",
                           "magcache",
                           "fbcache",
                           "easycache"}) {
    EXPECT_EQ(PolicyName(DefaultPolicy(name)), name);
    EXPECT_NE(LabelOfPolicy(name), "");
  }
  EXPECT_EQ(LabelOfPolicy("teacache"), "TeaCache");
  EXPECT_EQ(LabelOfPolicy("magic"), "");
  EXPECT_THAT(
      teacache::ErrorOf([] { DefaultPolicy("magic"); }),
      AllOf(StartsWith("--cache"), HasSubstr("none, teacache, uniform, "), HasSubstr("'magic'")));
}

TEST(PolicyOptions, OnlyTeaCacheLooksAtTheSignal) {
  EXPECT_EQ(MakePolicy(Mag({1, 0.9}), 2)->signal(), PolicySignal::kNone);
  EXPECT_EQ(MakePolicy(PolicyOptions(), 30)->signal(), PolicySignal::kNone);
  EXPECT_EQ(MakePolicy(Tea(0.2), 30)->signal(), PolicySignal::kModulated);
}

TEST(PolicyOptions, IdsNameFolders) {
  EXPECT_EQ(PolicyId(PolicyOptions()), "none");
  EXPECT_EQ(PolicyId(Tea(0.1)), "teacache-0.1");
  EXPECT_EQ(PolicyId(Tea(0)), "teacache-0");
  EXPECT_EQ(PolicyId(UniformSkipping{12}), "uniform-12");
  EXPECT_EQ(PolicyId(FixedMask{"CSSC"}), "mask-2");
  EXPECT_EQ(PolicyId(Mag({1, 1})), "magcache-0.05");
  EXPECT_EQ(PolicyId(FirstBlockCache()), "fbcache-0.05");
  EXPECT_EQ(PolicyId(EasyCache()), "easycache-0.05");
  EXPECT_EQ(PolicyId(IntervalSkipping{3}), "interval-3");
}

// As version 0.1.0 wrote them: a run folder of that version goes on.
TEST(PolicyOptions, FieldsOfRunFolders) {
  const auto fields = [](const PolicyOptions& options) {
    nlohmann::json j;
    const auto set = [&j](const char* name, const auto& value) { j[name] = value; };
    std::visit([&set](const auto& policy) { policy.VisitFields(set); }, options);
    return j.dump();
  };
  EXPECT_EQ(fields(NoCache()), "null");
  EXPECT_EQ(fields(Tea(0.1)),
            R"({"coefficients":[1.0,0.0],"teacache_mode":"strict","threshold":0.1})");
  EXPECT_EQ(fields(UniformSkipping{12}), R"({"computed_calls":12})");
  EXPECT_EQ(fields(FixedMask{"CSSC"}), R"({"mask":"CSSC"})");
  EXPECT_EQ(fields(FirstBlockCache()), R"({"threshold":0.05})");
  EXPECT_EQ(fields(EasyCache()), R"({"first_calls":7,"threshold":0.05})");
  EXPECT_EQ(fields(IntervalSkipping{3}), R"({"interval":3})");
  EXPECT_EQ(fields(Mag({1, 0.5})),
            R"({"max_skips":2,"ratios":[1.0,0.5],"retention":0.0,"threshold":0.05})");
  TeaCache guarded = std::get<TeaCache>(Tea(0.1));
  guarded.range = {0.1, 0.5};
  EXPECT_EQ(fields(guarded), fields(Tea(0.1)));
  guarded.engine = "mlx-teacache";
  EXPECT_THAT(fields(guarded),
              AllOf(HasSubstr(R"("engine":"mlx-teacache")"), HasSubstr(R"("range":[0.1,0.5])")));
}

TEST(PolicyOptions, EnginesRules) {
  TeaCache options = std::get<TeaCache>(Tea(0.1));
  options.engine = "comfyui";
  EXPECT_EQ(options.Make(30)->rule()->name, "comfyui");
  EXPECT_EQ(options.Id(), "teacache-0.1-comfyui");
  options.mode = TeaCacheMode::kReference;
  EXPECT_THAT(ErrorOf(options, 30), HasSubstr("--engine"));
  options = std::get<TeaCache>(Tea(0.1));
  options.engine = "comfy";
  EXPECT_THAT(ErrorOf(options, 30), HasSubstr("comfyui-flux"));
}

TEST(PolicyOptions, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(ErrorOf(TeaCache(), 30), AllOf(StartsWith("--coeffs"), HasSubstr("fit-coeffs")));
  for (const double threshold :
       {-1.0, -1e-9, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THAT(ErrorOf(Tea(threshold), 30), HasSubstr("threshold")) << threshold;
  }
  EXPECT_EQ(ErrorOf(Tea(0), 30), "no error");
  for (const int computed : {-1, 0, 31}) {
    EXPECT_THAT(ErrorOf(UniformSkipping{computed}, 30),
                AllOf(HasSubstr("1 to 30"), HasSubstr(std::to_string(computed))));
  }
  EXPECT_THAT(ErrorOf(FixedMask{"CSC"}, 4), AllOf(HasSubstr("4 calls"), HasSubstr("has 3")));
  EXPECT_THAT(ErrorOf(FixedMask{"SCC"}, 3), HasSubstr("first call"));
  EXPECT_THAT(ErrorOf(FixedMask{"CSX"}, 3), AllOf(StartsWith("--mask"), HasSubstr("'CSX'")));
}

std::string Schedule(const PolicyOptions& options, int calls) {
  const auto policy = MakePolicy(options, calls);
  PolicyState state;
  std::string text;
  for (int call = 0; call < calls; ++call) {
    text += policy->Decide({call, calls, 0}, &state).compute ? 'C' : 'S';
  }
  return text;
}

TEST(PolicyOptions, IntervalsBeginAtTheFirstCall) {
  EXPECT_EQ(Schedule(IntervalSkipping{3}, 8), "CSSCSSCS");
  EXPECT_EQ(Schedule(IntervalSkipping{1}, 3), "CCC");
  for (const int interval : {-1, 0, 9}) {
    EXPECT_THAT(ErrorOf(IntervalSkipping{interval}, 8), StartsWith("--interval: must be 1 to 8"));
  }
}

TEST(PolicyOptions, PlannedSchedulesAreMasks) {
  PlannedMask planned;
  EXPECT_THAT(ErrorOf(planned, 4), AllOf(StartsWith("--plan"), HasSubstr("fit-coeffs plan")));
  planned.mask = "CSSC";
  EXPECT_EQ(Schedule(planned, 4), "CSSC");
  EXPECT_EQ(planned.Id(), "schedule-2");
  EXPECT_THAT(ErrorOf(planned, 5), HasSubstr("5 calls"));
}

TEST(PolicyOptions, ForecastsNeedComputedCalls) {
  const auto error = [](int order, const PolicyOptions& options) {
    return teacache::ErrorOf([&] { CheckForecast(order, *MakePolicy(options, 8), 8); });
  };
  EXPECT_EQ(error(2, UniformSkipping{3}), "no error");
  EXPECT_EQ(error(2, NoCache()), "no error");
  EXPECT_EQ(error(2, Tea(0.1)), "no error");  // not known before
  EXPECT_THAT(error(2, UniformSkipping{2}), HasSubstr("--forecast: must be less than the 2 comp"));
  EXPECT_THAT(error(1, FixedMask{"CSSSSSSS"}), HasSubstr("but is 1"));
  EXPECT_THAT(error(3, NoCache()), HasSubstr("--forecast: must be 0"));
}

TEST(PolicyOptions, MagCacheFollowsItsRatios) {
  EXPECT_EQ(Schedule(Mag({1, 1, 1, 1, 1, 1, 1}), 7), "CSSCSSC");
  EXPECT_EQ(Schedule(Mag({1, 0.97, 0.97, 1, 1, 0.9, 1}), 7), "CSCSSCS");
  // Ratios of other runs are taken where they are nearest: 1, 0.9, 1 for 5 calls.
  EXPECT_EQ(Schedule(Mag({1, 0.9, 1}), 5), Schedule(Mag({1, 1, 0.9, 1, 1}), 5));
  EXPECT_THAT(ErrorOf(Mag({}), 5), StartsWith("--mag-ratios"));
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
