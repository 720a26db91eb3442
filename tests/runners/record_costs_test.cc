// Segment costs and planned schedules as library calls, on a small random model.

#include "runners/record_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "calib/plan/plan_schedules.h"
#include "datasets/base/files.h"
#include "runners/generate_videos.h"
#include "runners/sampling/relative_l1.h"
#include "runners/systems/system_list.h"
#include "runners/use_plan.h"
#include "tests/support/shapes_weights.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::HasSubstr;

constexpr int kCalls = 7;
const std::vector<std::string> kPrompts = {"a small red circle moving left slowly on black",
                                           "a large blue star circling fast on white"};

class CostsOfSegments : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    weights_ = new TempDir;
    WriteTinyShapesWeights(weights_->path().string());
    system_ = Load(kCalls).release();
  }
  static void TearDownTestSuite() {
    delete system_;
    delete weights_;
  }
  static std::unique_ptr<System> Load(int steps) {
    SystemOptions options;
    options.weights = weights_->path().string();
    options.steps = steps;
    return LoadSystem("shapes", options);
  }

  CostsOptions Options(const std::string& name) const {
    CostsOptions options;
    options.prompts = kPrompts;
    options.out = folder_ / name;
    options.extent.longest = 2;
    return options;
  }

  TempDir folder_;
  static TempDir* weights_;
  static System* system_;
};

TempDir* CostsOfSegments::weights_ = nullptr;
System* CostsOfSegments::system_ = nullptr;

TEST_F(CostsOfSegments, GoesOnWhereItStopped) {
  for (const bool outcome : {false, true}) {
    CostsOptions options = Options(outcome ? "latent.jsonl" : "residual.jsonl");
    options.outcome = outcome;
    if (outcome) options.extent.orders = {0};
    const CostsSummary summary = RecordCosts(*system_, options);
    EXPECT_EQ(summary.done, outcome ? 2 * (kCalls - 1) : 2);
    const std::string whole = ReadFile(options.out);
    EXPECT_EQ(RecordCosts(*system_, options).done, 0);
    AtomicWriteFile(options.out, std::string_view(whole).substr(0, whole.size() * 3 / 4));
    EXPECT_GT(RecordCosts(*system_, options).resumed, 0);
    EXPECT_EQ(ReadFile(options.out), whole);
    options.out += "2";
    options.jobs = 2;
    RecordCosts(*system_, options);
    EXPECT_EQ(ReadFile(options.out), whole);
    options.extent.longest = kCalls;
    EXPECT_THAT(ErrorOf([&] { RecordCosts(*system_, options); }),
                HasSubstr("--costs: must be 1 to 6"));
  }
}

// Where all calls before are computed, an outcome is that of a run with a mask.
TEST_F(CostsOfSegments, OutcomesAreThoseOfRunsWithAMask) {
  CostsOptions options = Options("latent.jsonl");
  options.prompts = {kPrompts[1]};
  options.outcome = true;
  options.extent.orders = {0, 1};
  RecordCosts(*system_, options);
  const auto latent = [&](const CachePolicy& policy, int forecast) {
    SampleOptions sampling;
    sampling.forecast = forecast;
    return GenerateVideo(*system_, policy, kPrompts[1], 0, sampling).sample.latent;
  };
  const at::Tensor uncached = latent(*MakeNoCachePolicy(), 0);
  int compared = 0;
  for (const SegmentCost& row : ReadSegmentCosts(options.out).rows) {
    const Segment& segment = row.segment;
    if (std::ranges::any_of(segment.gaps, [](int gap) { return gap > 1; })) continue;
    std::vector<bool> mask(kCalls, true);
    for (int i = 0; i < segment.skipped; ++i) mask[segment.start + i] = false;
    const at::Tensor skipped = latent(*MakeMaskPolicy(mask), segment.order());
    EXPECT_EQ(row.error, MeasureL1(skipped, uncached).Ratio())
        << segment.start << " " << segment.skipped << " " << segment.order();
    EXPECT_GT(row.error, 0);
    ++compared;
  }
  EXPECT_GT(compared, 15);
}

TEST_F(CostsOfSegments, APlanIsUsedWhereItBelongs) {
  CostsOptions options = Options("costs.jsonl");
  RecordCosts(*system_, options);
  PlanOptions wanted;
  wanted.costs = {options.out};
  wanted.forecast = 1;
  const SchedulePlan plan = PlanSchedules(wanted).plan;
  const std::string path = folder_ / "plan.json";
  WriteSchedulePlan(path, plan);
  const PlannedSchedule schedule = UsePlan(path, 4, system_->info());
  EXPECT_EQ(schedule.forecast, 1);
  EXPECT_EQ(schedule.ComputedCalls(), 4);
  EXPECT_THAT(ErrorOf([&] { UsePlan(path, 0, system_->info()); }), HasSubstr("--computed-calls"));
  EXPECT_THAT(ErrorOf([&] { UsePlan(path, 4, Load(9)->info()); }),
              HasSubstr("differ in steps (7 and 9)"));

  GenerateOptions generate;
  generate.prompts = kPrompts;
  generate.out = folder_ / "run";
  PlannedMask policy;
  for (const bool computed : schedule.computed) policy.mask += computed ? 'C' : 'S';
  generate.policy = policy;
  generate.forecast = schedule.forecast;
  for (const VideoTiming& timing : GenerateVideos(*system_, generate).videos) {
    EXPECT_EQ(timing.computed, schedule.computed);
  }
  EXPECT_THAT(ReadFile(folder_ / "run/run.json"), HasSubstr("\"schedule\""));
  policy.mask.assign(kCalls, 'S');
  policy.mask.front() = 'C';
  generate.policy = policy;
  generate.out = folder_ / "run2";
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, generate); }),
              HasSubstr("--forecast: must be less than the 1 computed calls"));
}

}  // namespace
}  // namespace teacache
