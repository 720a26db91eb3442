#include "calib/replay/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "calib/replay/threshold_sweep.h"
#include "calib/rules/cache_policy.h"
#include "datasets/base/error.h"
#include "tests/calib/krea.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ReplayInput RandomInput(int prompts, int calls, unsigned seed, int branches = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  ReplayInput input;
  input.calls = calls;
  for (int p = 0; p < prompts; ++p) {
    input.prompts.push_back(std::to_string(p));
    for (int b = 0; b < branches; ++b) {
      SignalRun run;
      run.prompt = p;
      run.branch = std::to_string(b);
      run.x.push_back(0);
      for (int call = 1; call < calls; ++call) run.x.push_back(0.6 * std::pow(uniform(random), 2));
      input.runs.push_back(run);
    }
  }
  return input;
}

std::string Schedule(const std::string& engine,
                     const Polynomial& f,
                     double threshold,
                     const std::vector<double>& x,
                     Interval range = {}) {
  return ScheduleText(ReplayRun({0, 0, "", x}, {FindEngineRule(engine), f, threshold, range}));
}

// The three ways through the rule, for every engine: live, replayed, and many thresholds at once.
TEST(ReplayRun, EqualsTheRuntimePolicyAndTheSweep) {
  const Polynomial f({-5.0, 6.0, -0.4, 0.05});
  const Interval range = {0.02, 0.45};
  ReplayInput input = RandomInput(20, 40, 5);
  for (const EngineRule& rule : EngineRules()) {
    for (double threshold : {0.0, 0.05, 0.2, 0.7, 3.0}) {
      const auto policy = MakeTeaCachePolicy({threshold, f, rule, range});
      double skips = 0;
      for (const SignalRun& run : input.runs) {
        PolicyState state;
        std::vector<bool> computed;
        for (int call = 0; call < 40; ++call) {
          computed.push_back(policy->Decide({call, 40, run.x[call]}, &state).compute);
        }
        EXPECT_EQ(ReplayRun(run, {rule, f, threshold, range}), computed) << rule.name;
        skips += static_cast<double>(std::count(computed.begin(), computed.end(), false));
      }
      const SweepPoint point = Sweep(input, {rule, f, 0, range}, {threshold})[0];
      EXPECT_EQ(point.mean_skips * 20, skips) << rule.name << " " << threshold;
      if (threshold == 0) {
        EXPECT_EQ(skips, 0) << rule.name;
      }
      if (threshold >= 0.2) {
        EXPECT_GT(skips, 0) << rule.name << " " << threshold;
      }
    }
  }
}

TEST(ReplayRun, SignRules) {
  // f(x) = x - 0.5: 0.25, -0.25, 0.25, 0.25, 0.25 at the calls 1 to 5; threshold 0.5.
  const Polynomial f({1, -0.5});
  const std::vector<double> x = {0, 0.75, 0.25, 0.75, 0.75, 0.75, 0, 0};
  // Raw sums: 0.25 0 0.25 0.5 -> C at call 4.
  EXPECT_EQ(Schedule("teacache", f, 0.5, x), "CSSSCSSC");
  EXPECT_EQ(Schedule("xdit", f, 0.5, x), "CSSSCSSC");
  // Absolute: 0.25 0.5 -> C at call 2, then 0.25 0.5 -> C at 4, 0.25 0.75 -> C at 6.
  EXPECT_EQ(Schedule("wan2gp", f, 0.5, x), "CSCSCSCC");
  // No forced last call: |f(0)| = 0.5 computes it anyway; threshold 0.6 skips it.
  EXPECT_EQ(Schedule("vllm-omni", f, 0.5, x), "CSCSCSCC");
  EXPECT_EQ(Schedule("vllm-omni", f, 0.6, x), "CSSCSSCS");
  // Clamped, call 1 seeds the cache: 0, 0.25, 0.5 -> C at 4, 0.25, 0.25.
  EXPECT_EQ(Schedule("mlx-teacache", f, 0.5, x), "CCSSCSSC");
  EXPECT_EQ(Schedule("comfyui", f, 0.5, x), "CSSSCSSS");
  EXPECT_EQ(Schedule("comfyui-flux", f, 0.5, x), "CSCSCSCC");
}

TEST(ReplayRun, ForcedCalls) {
  const Polynomial f({0.0});
  const std::vector<double> x(14, 0.1);
  EXPECT_EQ(Schedule("teacache", f, 1, x), "CSSSSSSSSSSSSC");
  EXPECT_EQ(Schedule("teacache-ret", f, 1, x), "CCCCCSSSSSSSSS");
  EXPECT_EQ(Schedule("sglang", f, 1, x), "CCCCCSSSSSSSSC");
  EXPECT_EQ(Schedule("videox-fun", f, 1, x), "CCCCCSSSSSSSSS");
  EXPECT_EQ(Schedule("tensorrt-llm", f, 1, x), "CSSSSSSSSSSSSC");
  EXPECT_EQ(Schedule("tensorrt-llm-ret", f, 1, x), "CCCCCSSSSSSSSS");
  EXPECT_EQ(Schedule("difflet", f, 1, x), "CCCCCSSSSCCCCC");
  EXPECT_EQ(Schedule("vllm-omni", f, 1, x), "CSSSSSSSSSSSSS");
  // At most 8 skips in a row, behind the call that fills the cache.
  EXPECT_EQ(Schedule("mlx-teacache", f, 1, x), "CCSSSSSSSSCSSC");
}

TEST(ReplayRun, ThresholdZeroComputesAll) {
  const std::vector<double> x(6, 0.1);
  for (const EngineRule& rule : EngineRules()) {
    EXPECT_EQ(Schedule(rule.name, Polynomial({-1, -1}), 0, x), "CCCCCC") << rule.name;
  }
}

TEST(ReplayRun, MissingSignalComputesAndResets) {
  EXPECT_EQ(Schedule("teacache", Polynomial({1, 0}), 0.5, {0, 0.3, kNan, 0.3, 0.3, 0, 0}),
            "CSCSCSC");
}

TEST(ReplayRun, RangeGuard) {
  // Below the range: counts as its lower end (0.2); above: computed.
  const std::vector<double> x = {0, 0.3, 0.05, 0.05, 0.05, 0.9, 0.05, 0};
  EXPECT_EQ(Schedule("mlx-teacache", Polynomial({1, 0}), 0.5, x, {0.2, 0.5}), "CCSSCCSC");
  EXPECT_EQ(Schedule("mlx-teacache", Polynomial({1, 0}), 0.5, x), "CCSSSCSC");
}

TEST(MakeReplayInput, EpsilonsOfTheDenominator) {
  Trace trace;
  trace.header.calls = trace.header.steps = 2;
  for (int call = 0; call < 2; ++call) {
    TraceRow row;
    row.prompt = "a";
    row.branch = "batched";
    row.call = call;
    if (call == 1) row.mod = {3e-8, 1e-8, 2};
    row.ms_embed = 1;
    row.ms_blocks = 17;
    row.ms_head = 2;
    trace.rows.push_back(row);
  }
  const auto x = [&](const char* engine) {
    return MakeReplayInput(trace, FindEngineRule(engine)).runs[0].x[1];
  };
  EXPECT_DOUBLE_EQ(x("teacache"), 3);
  EXPECT_DOUBLE_EQ(x("vllm-omni"), 1.5e-8 / (0.5e-8 + 1e-8));
  EXPECT_DOUBLE_EQ(x("difflet"), 1.5e-8 / 1e-8);
  EXPECT_DOUBLE_EQ(x("mlx-teacache"), 3);
  trace.rows[1].mod.prev_l1 = 0;
  EXPECT_TRUE(std::isnan(x("teacache")));
  EXPECT_DOUBLE_EQ(x("vllm-omni"), 1.5);
  const ReplayInput input = MakeReplayInput(trace, FindEngineRule("teacache"));
  EXPECT_DOUBLE_EQ(input.ms_call, 20);
  EXPECT_DOUBLE_EQ(input.ms_skipped, 3);
  // 2 calls, 1 skipped: 40 ms become 23.
  EXPECT_DOUBLE_EQ(SpeedUp(input, 1), 40.0 / 23);
}

TEST(MakeReplayInput, IncompleteRunsAreLeftOut) {
  PairSet set;
  set.calls = 4;
  set.branches = {"batched"};
  set.prompts = {"a", "b"};
  for (int prompt = 0; prompt < 2; ++prompt) {
    for (int call = 1; call < 4 - prompt; ++call) {
      Pair pair;
      pair.prompt = prompt;
      pair.call = call;
      set.pairs.push_back(pair);
    }
  }
  std::vector<std::string> warnings;
  EXPECT_EQ(MakeReplayInput(set, &warnings).runs.size(), 1u);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr("1 of 2 runs"));
  set.calls = 9;
  EXPECT_THROW(MakeReplayInput(set), UserError);
  set.calls = 2;
  EXPECT_THROW(MakeReplayInput(set), UserError);
}

TEST(MakeReplayInput, KnowsTimeOnlySignals) {
  PairSet set;
  set.calls = 3;
  set.branches = {"batched"};
  for (int prompt = 0; prompt < 2; ++prompt) {
    for (int call = 1; call < 3; ++call) {
      Pair pair;
      pair.prompt = prompt;
      pair.call = call;
      pair.x = 0.1 * call;
      set.pairs.push_back(pair);
    }
  }
  EXPECT_TRUE(MakeReplayInput(set).time_only);
  set.pairs[3].x += 1e-6;
  EXPECT_FALSE(MakeReplayInput(set).time_only);
}

TEST(Replay, CountsAndSpread) {
  ReplayInput input;
  input.calls = 6;
  input.prompts = {"a", "b"};
  input.runs = {{0, 0, "cond", {0, .1, .1, .1, .1, 0}},
                {0, 0, "uncond", {0, .3, .3, .3, .3, 0}},
                {1, 0, "cond", {0, .1, .1, .1, .1, 0}},
                {1, 0, "uncond", {0, .1, .1, .1, .1, 0}}};
  const ReplaySummary summary =
      Replay(input, {FindEngineRule("teacache"), Polynomial({1, 0}), 0.35, {}});
  // 0.1: SSSC...; 0.3: SCSC.
  EXPECT_EQ(ScheduleText(summary.runs[0].computed), "CSSSCC");
  EXPECT_EQ(ScheduleText(summary.runs[1].computed), "CSCSCC");
  EXPECT_EQ(summary.runs[0].longest_run, 3);
  EXPECT_EQ(summary.min_skips, 2);
  EXPECT_EQ(summary.max_skips, 3);
  EXPECT_EQ(summary.longest_run, 3);
  EXPECT_DOUBLE_EQ(summary.mean_skips, 11.0 / 4);
  EXPECT_DOUBLE_EQ(summary.disagreement, 1.0 / 12);
  EXPECT_DOUBLE_EQ(summary.speedup, 6 / (6 - 11.0 / 4));
  EXPECT_LE(summary.skips95.lo, summary.mean_skips);
  EXPECT_GE(summary.skips95.hi, summary.mean_skips);
}

// Branches that are computed in one batch: both when either needs it, each keeping its own sum.
TEST(Replay, BranchesOfOneBatch) {
  ReplayInput input;
  input.calls = 7;
  input.prompts = {"a", "b"};
  // Own decisions at threshold 0.5: cond CSSSCSS (0.15 a call), uncond CSCSCSC (0.3 a call).
  input.runs = {{0, 0, "uncond", {0, .3, .3, .3, .3, .3, .3}},
                {0, 0, "cond", {0, .15, .15, .15, .15, .15, .15}},
                {1, 0, "cond", {0, .15, .15, .15, .15, .15, .15}}};
  const auto schedules = [&](const char* engine) {
    const ReplaySummary summary =
        Replay(input, {FindEngineRule(engine), Polynomial({1, 0}), 0.5, {}});
    std::string text;
    for (const ReplayedRun& run : summary.runs) text += ScheduleText(run.computed) + " ";
    return text;
  };
  EXPECT_EQ(schedules("wan2gp"), "CSCSCSC CSSSCSC CSSSCSC ");
  EXPECT_EQ(schedules("vllm-omni"), "CSCSCSC CSSSCSS CSSSCSS ");
  EXPECT_EQ(schedules("comfyui"), "CSCSCSC CSCSCSC CSSSCSS ");
  // VideoX-Fun: 5 calls first, then the conditional branch decides.
  EXPECT_EQ(schedules("videox-fun"), "CCCCCSS CCCCCSS CCCCCSS ");
  const ReplaySummary either =
      Replay(input, {FindEngineRule("comfyui"), Polynomial({1, 0}), 0.5, {}});
  EXPECT_EQ(either.disagreement, 0);
  EXPECT_EQ(either.mean_skips, (3 + 3 + 5) / 3.0);
}

// The sweep against one plain replay per threshold, all rules, odd numbers of thresholds.
TEST(Sweep, EqualsPlainReplays) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    ReplayInput input = RandomInput(7, 31, seed, 2);
    input.runs[3].x[9] = kNan;
    input.ms_call = 10;
    input.ms_skipped = 1.5;
    for (const EngineRule& rule : EngineRules()) {
      ReplayOptions options{rule, Polynomial({-8, 7, -0.8, 0.03}), 0, {0.01, 0.5}};
      std::vector<double> thresholds = SweepThresholds(input, options, 37);
      thresholds.push_back(0.15);
      const std::vector<SweepPoint> points = Sweep(input, options, thresholds);
      for (size_t t = 0; t < thresholds.size(); ++t) {
        options.threshold = thresholds[t];
        const ReplaySummary plain = Replay(input, options);
        EXPECT_EQ(points[t].mean_skips, plain.mean_skips) << rule.name << " " << thresholds[t];
        EXPECT_EQ(points[t].min_skips, plain.min_skips) << rule.name;
        EXPECT_EQ(points[t].max_skips, plain.max_skips) << rule.name;
        EXPECT_EQ(points[t].longest_run, plain.longest_run) << rule.name;
        EXPECT_EQ(points[t].speedup, plain.speedup) << rule.name;
      }
    }
  }
}

TEST(SweepThresholds, FromNoSkipToAllSkips) {
  const ReplayInput input = RandomInput(5, 30, 1);
  const ReplayOptions options{FindEngineRule("wan2gp"), Polynomial({1, 0.02}), 0, {}};
  const auto thresholds = SweepThresholds(input, options, 100);
  EXPECT_EQ(thresholds.size(), 100u);
  EXPECT_TRUE(std::is_sorted(thresholds.begin(), thresholds.end()));
  const auto points = Sweep(input, options, thresholds);
  EXPECT_EQ(points[1].mean_skips, 0);
  EXPECT_EQ(points.back().min_skips, 28);
}

TEST(FindEngineRule, UnknownNameListsTheKnown) {
  EXPECT_THAT([] { FindEngineRule("comfy"); },
              ThrowsMessage<UserError>(HasSubstr("teacache, teacache-ret, sglang")));
}

TEST(Krea, PublishedReplay) {
  const auto krea = ReadKrea();
  if (!krea) GTEST_SKIP() << "no krea trace in TEACACHE_SHARED_GOLDEN_DIR";
  const ReplayInput input = MakeReplayInput(*krea);
  ReplayOptions options{FindEngineRule("mlx-teacache"), PublishedKrea(), 0.20, {}};
  EXPECT_EQ(Replay(input, options).max_skips, 0);
  options.threshold = 0.30;
  const ReplaySummary summary = Replay(input, options);
  EXPECT_EQ(ScheduleText(summary.runs[0].computed), "CCCSCSCSCSCSCSCSCSCSCSCCCCCC");
  EXPECT_EQ(ScheduleText(summary.runs[1].computed), "CCCSCSCSCSCSCSCSCSCSCSCCSCCC");
  EXPECT_EQ(summary.min_skips, 10);
  EXPECT_EQ(summary.max_skips, 11);
  EXPECT_EQ(summary.longest_run, 1);
  options.rule = FindEngineRule("teacache");
  EXPECT_EQ(ScheduleText(Replay(input, options).runs[0].computed), "CCCSCSCSCSCSCSCSCSCSCSCCCCCC");
}

}  // namespace
}  // namespace teacache
