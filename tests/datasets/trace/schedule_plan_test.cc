#include "datasets/trace/schedule_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using testing::HasSubstr;

SchedulePlan Plan() {
  SchedulePlan plan;
  plan.recipe.model = "shapes";
  plan.recipe.steps = plan.recipe.calls = 4;
  plan.recipe.scheduler = "rflow";
  plan.recipe.weights_sha256 = "abc";
  plan.measure = "residual";
  plan.objective = "sum";
  plan.prompts = 2;
  plan.runs = 4;
  plan.longest = 2;
  plan.schedules.push_back({{true, false, false, true}, 1, 1.0 / 3, 0.25, std::nullopt});
  plan.schedules.push_back({{true, true, false, true}, 2, 0.125, 0.125, 0.5});
  return plan;
}

TEST(SchedulePlan, ReadBackToTheLastBit) {
  const TempDir dir;
  WriteSchedulePlan(dir / "p.json", Plan());
  const SchedulePlan read = ReadSchedulePlan(dir / "p.json");
  EXPECT_EQ(SchedulePlanToJson(read), SchedulePlanToJson(Plan()));
  EXPECT_EQ(read.recipe.scheduler, "rflow");
  ASSERT_EQ(read.schedules.size(), 2u);
  EXPECT_EQ(read.schedules[0].computed, Plan().schedules[0].computed);
  EXPECT_EQ(read.schedules[0].cost, 1.0 / 3);
  EXPECT_EQ(read.schedules[0].left_out, std::nullopt);
  EXPECT_EQ(read.schedules[1].forecast, 2);
  EXPECT_EQ(read.schedules[1].left_out, 0.5);
}

TEST(SchedulePlan, RefusesWhatIsNotAPlan) {
  const auto error = [](auto change) {
    SchedulePlan plan = Plan();
    change(&plan);
    return ErrorOf([&] { SchedulePlanToJson(plan); });
  };
  using P = SchedulePlan*;
  EXPECT_THAT(error([](P p) { p->measure = "psnr"; }), HasSubstr("measure must be"));
  EXPECT_THAT(error([](P p) { p->objective = "best"; }), HasSubstr("objective must be"));
  EXPECT_THAT(error([](P p) { p->runs = 1; }), HasSubstr("runs must be"));
  EXPECT_THAT(error([](P p) { p->schedules.clear(); }), HasSubstr("schedules must not be empty"));
  EXPECT_THAT(error([](P p) { p->schedules[0].computed[0] = false; }),
              HasSubstr("calls must begin"));
  EXPECT_THAT(error([](P p) { p->schedules[0].computed.push_back(true); }),
              HasSubstr("as many calls as the plan"));
  EXPECT_THAT(error([](P p) { std::swap(p->schedules[0], p->schedules[1]); }),
              HasSubstr("ascending"));
  // A parabola needs three computed calls.
  EXPECT_THAT(error([](P p) { p->schedules[0].forecast = 2; }),
              HasSubstr("forecast must be between 0 and 1"));
  EXPECT_THAT(error([](P p) { p->schedules[1].left_out = -1; }), HasSubstr("left_out must not"));
}

TEST(SchedulePlan, IsChosenByComputedCalls) {
  SchedulePlan plan = Plan();
  EXPECT_EQ(plan.WithComputed(3, "p.json").forecast, 2);
  EXPECT_THAT(ErrorOf([&] { plan.WithComputed(0, "p.json"); }),
              HasSubstr("p.json: holds several schedules"));
  EXPECT_THAT(ErrorOf([&] { plan.WithComputed(4, "p.json"); }),
              HasSubstr("must have a schedule of 4 computed calls but has those of 2, 3"));
  plan.schedules.pop_back();
  EXPECT_EQ(plan.WithComputed(0, "p.json").forecast, 1);
}

TEST(SchedulePlan, BelongsToRunsOfItsSettings) {
  const SchedulePlan plan = Plan();
  TraceHeader run = plan.recipe;
  run.modulated = "input";
  run.prompts_digest = "others";
  run.parts = 8;
  EXPECT_NO_THROW(CheckPlanBelongs(plan, run, "p.json"));
  const auto error = [&](auto change) {
    TraceHeader other = run;
    change(&other);
    return ErrorOf([&] { CheckPlanBelongs(plan, other, "p.json"); });
  };
  EXPECT_THAT(error([](TraceHeader* r) { r->model = "latte"; }), HasSubstr("differ in model"));
  EXPECT_THAT(error([](TraceHeader* r) { r->steps = 9; }), HasSubstr("differ in steps (4 and 9)"));
  EXPECT_THAT(error([](TraceHeader* r) { r->guidance = 7; }), HasSubstr("differ in guidance"));
  EXPECT_THAT(error([](TraceHeader* r) { r->dtype = "float16"; }), HasSubstr("differ in dtype"));
  EXPECT_THAT(error([](TraceHeader* r) { r->height = 9; }), HasSubstr("differ in height"));
  EXPECT_THAT(error([](TraceHeader* r) { r->weights_sha256 = "d"; }),
              HasSubstr("differ in weights_sha256"));
}

}  // namespace
}  // namespace teacache
