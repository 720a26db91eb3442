#include "calib/emit_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

SchedulePlan Plan() {
  SchedulePlan plan;
  plan.recipe.model = "wan";
  plan.recipe.steps = plan.recipe.calls = 6;
  plan.recipe.dtype = "bfloat16";
  plan.recipe.width = 832;
  plan.recipe.height = 480;
  plan.recipe.guidance = 5;
  plan.measure = "residual";
  plan.objective = "sum";
  plan.costs_sha256 = std::string(64, 'a');
  plan.prompts = plan.runs = 3;
  plan.first = 2;
  plan.last = 1;
  plan.longest = 2;
  plan.schedules.push_back({{true, true, false, false, true, true}, 1, 0.5, 0.5, std::nullopt});
  return plan;
}

json Request() {
  return {{"pipeline", "WanPipeline"},
          {"checkpoint", "c"},
          {"num_inference_steps", 6},
          {"height", 480},
          {"width", 832},
          {"guidance_scale", 5.0},
          {"do_classifier_free_guidance", true},
          {"quality", "default"},
          {"attention_backend", nullptr},
          {"dtype", "bfloat16"},
          {"scheduler", "UniPC"},
          {"scheduler_config_sha256", "d"},
          {"timesteps", {6, 5, 4, 3, 2, 1}},
          {"sigmas", {1, 0.9, 0.8, 0.7, 0.6, 0.5, 0}}};
}

std::string DpCacheError(const SchedulePlan& plan, const json& request) {
  const TempDir dir;
  AtomicWriteFile(dir / "request.json", std::string_view(request.dump()));
  return ErrorOf([&] { EmitPlan("dpcache", plan, dir / "request.json"); });
}

// The checks of validate_schedule in SGLang's dpcache.py.
TEST(EmitPlan, DpCacheSchedules) {
  const TempDir dir;
  AtomicWriteFile(dir / "request.json", std::string_view(Request().dump()));
  const auto files = EmitPlan("dpcache", Plan(), dir / "request.json");
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].name, EmittedPlanNames("dpcache")[0]);
  EXPECT_EQ(files[1].name, EmittedPlanNames("dpcache")[1]);
  const json j = json::parse(files[0].text);
  EXPECT_EQ(j["schema"], "sglang-dpcache-schedule-v2");
  EXPECT_EQ(j["predictor"]["order"], 1);
  EXPECT_EQ(j["request"], Request());
  EXPECT_EQ(j["mandatory_full_steps"], json({0, 1}));
  EXPECT_EQ(j["full_steps"], json({0, 1, 4, 5}));
  EXPECT_EQ(j["num_full_steps"], 4);
  EXPECT_EQ(j["force_last_full"], true);
  EXPECT_EQ(j["max_gap"], 3);
  EXPECT_EQ(j["calibration"]["manifest_sha256"], std::string(64, 'a'));
  EXPECT_EQ(j["calibration"]["num_samples"], 3);
  EXPECT_EQ(json::parse(files[1].text)["plan"]["schedules"][0]["calls"], "CCSSCC");
}

TEST(EmitPlan, WhatDpCacheCannotRunIsRefused) {
  SchedulePlan plan = Plan();
  plan.schedules[0].forecast = 0;
  EXPECT_THAT(DpCacheError(plan, Request()),
              HasSubstr("linear forecasts but this one is for order 0"));
  plan = Plan();
  plan.first = 1;
  EXPECT_THAT(DpCacheError(plan, Request()), HasSubstr("--first 2"));
  plan = Plan();
  plan.recipe.dtype = "float32";
  EXPECT_THAT(DpCacheError(plan, Request()), HasSubstr("bfloat16 runs only"));
  plan = Plan();
  plan.recipe.steps = 3;
  EXPECT_THAT(DpCacheError(plan, Request()), HasSubstr("6 calls of 3 steps"));
  json request = Request();
  request["width"] = 64;
  EXPECT_THAT(DpCacheError(Plan(), request), HasSubstr("width is 64 and was planned for 832"));
  request = Request();
  request["sigmas"].erase(0);
  EXPECT_THAT(DpCacheError(Plan(), request), HasSubstr("must have 7 numbers in sigmas"));
  request.erase("quality");
  EXPECT_THAT(DpCacheError(Plan(), request), HasSubstr("must be the block \"request\""));
  EXPECT_THAT(DpCacheError(Plan(), 5), HasSubstr("must be the block \"request\""));
  EXPECT_THAT(ErrorOf([] { EmitPlan("dpcache", Plan(), ""); }), HasSubstr("--request: must name"));
}

TEST(EmitPlan, Masks) {
  const auto files = EmitPlan("sd-cpp", Plan(), "");
  EXPECT_EQ(files[0].text, "--cache-mode dbcache --scm-mask \"1,1,0,0,1,1\" --scm-policy static\n");
  const json provenance = json::parse(files[1].text);
  EXPECT_EQ(provenance["provenance"]["model"], "wan");
  EXPECT_THAT(provenance["warnings"].dump(), HasSubstr("planned for forecasts of order 1"));
  EXPECT_THAT(ErrorOf([] { EmitPlan("vllm-omni", Plan(), ""); }),
              HasSubstr("--emit: must be of smoothcache, cache-dit, sd-cpp, dpcache but is"));
  SchedulePlan two = Plan();
  two.schedules.push_back({{true, true, true, true, true, true}, 1, 0, 0, std::nullopt});
  EXPECT_THAT(ErrorOf([&] { EmitPlan("sd-cpp", two, ""); }),
              HasSubstr("--emit: writes one schedule"));
}

}  // namespace
}  // namespace teacache
