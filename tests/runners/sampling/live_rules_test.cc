// Every engine's rule in a live run, against the replay of the trace recorded in that same run.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "calib/replay/replay.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/system_list.h"
#include "tests/runners/sampling/fake_run.h"
#include "tests/support/shapes_weights.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

constexpr int kCalls = 24;

Trace TraceOf(const SampleResult& result, const std::vector<std::string>& branches) {
  Trace trace;
  trace.header.calls = trace.header.steps = kCalls;
  trace.rows = TraceRows(result, branches, "a prompt", 3);
  return trace;
}

// Branch by branch: "CCSC... CSSC...".
std::string LiveSchedules(const SampleResult& result, size_t branches) {
  std::string text;
  for (size_t branch = 0; branch < branches; ++branch) {
    std::vector<bool> computed;
    for (const CallRecord& record : result.calls) {
      if (record.branch == static_cast<int>(branch)) computed.push_back(record.decision.compute);
    }
    text += ScheduleText(computed) + " ";
  }
  return text;
}

std::string ReplayedSchedules(const Trace& trace, const ReplayOptions& options) {
  std::string text;
  for (const ReplayedRun& run : Replay(MakeReplayInput(trace, options.rule), options).runs) {
    text += ScheduleText(run.computed) + " ";
  }
  return text;
}

SampleOptions Recording() {
  SampleOptions options;
  options.record = true;
  return options;
}

SampleResult Cached(DenoisingRun* run,
                    Scheduler* scheduler,
                    const at::Tensor& noise,
                    const ReplayOptions& options) {
  const auto policy =
      MakeTeaCachePolicy({options.threshold, options.polynomial, options.rule, options.range});
  return Sample(run, scheduler, *policy, noise, Recording());
}

TEST(LiveRules, TheEmbeddedModelDecidesAsTheReplayOfItsTrace) {
  at::set_num_threads(1);
  const TempDir weights;
  WriteTinyShapesWeights(weights.path().string());
  SystemOptions system_options;
  system_options.weights = weights.path().string();
  system_options.steps = kCalls;
  const std::unique_ptr<System> system = LoadSystem("shapes", system_options);
  const auto sample = [&](const ReplayOptions* options) {
    const auto run = system->Begin("a small red circle moving left slowly on black");
    const auto scheduler = system->MakeScheduler();
    const at::Tensor noise = system->Noise(3);
    return options ? Cached(run.get(), scheduler.get(), noise, *options)
                   : Sample(run.get(), scheduler.get(), *MakeNoCachePolicy(), noise, Recording());
  };
  const SampleResult uncached = sample(nullptr);
  std::vector<double> changes;
  for (const CallRecord& record : uncached.calls) {
    if (record.call > 0) changes.push_back(record.r);
  }
  std::ranges::sort(changes);
  const double middle = changes[changes.size() / 2];
  for (const EngineRule& rule : EngineRules()) {
    // f changes its sign below the middle, so that the rules' treatment of it matters.
    const ReplayOptions options{rule,
                                Polynomial({1, -0.7 * middle}),
                                1.2 * middle,
                                {changes[2], changes[changes.size() - 3]}};
    const SampleResult live = sample(&options);
    const std::string schedule = LiveSchedules(live, 1);
    EXPECT_EQ(schedule, ReplayedSchedules(TraceOf(live, {"batched"}), options)) << rule.name;
    const auto decided = [&](char letter) {
      int count = 0;
      for (int call = 0; call < kCalls; ++call) {
        count += KindOfCall(rule, call, kCalls) == CallKind::kDecided && schedule[call] == letter;
      }
      return count;
    };
    EXPECT_GT(decided('S'), 0) << rule.name << " " << schedule;
    EXPECT_GT(decided('C'), 0) << rule.name << " " << schedule;
  }
}

// The two parts of the blocks together are the blocks, bit for bit.
TEST(LiveRules, AFirstBlockPolicyThatSkipsNothingChangesNothing) {
  at::set_num_threads(1);
  const TempDir weights;
  WriteTinyShapesWeights(weights.path().string());
  SystemOptions options;
  options.weights = weights.path().string();
  options.steps = 6;
  const std::unique_ptr<System> system = LoadSystem("shapes", options);
  const auto sample = [&](const CachePolicy& policy) {
    const auto run = system->Begin("a small red circle moving left slowly on black");
    const auto scheduler = system->MakeScheduler();
    return Sample(run.get(), scheduler.get(), policy, system->Noise(3));
  };
  const SampleResult computed = sample(*MakeFirstBlockPolicy({0}));
  EXPECT_EQ(computed.ComputedCount(), 6);
  EXPECT_TRUE(at::equal(computed.latent, sample(*MakeNoCachePolicy()).latent));
  EXPECT_LT(sample(*MakeFirstBlockPolicy({10})).ComputedCount(), 6);
}

// Branches that are computed apart: each by itself, all if one needs it, or as the conditional one.
TEST(LiveRules, BranchesDecideAsInTheReplay) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> change(0.8F, 1.25F);
  const auto branch = [&](const std::string& name) {
    FakeBranch fake{name, {1}, std::vector<float>(kCalls, 1)};
    while (fake.signal.size() < kCalls) fake.signal.push_back(fake.signal.back() * change(random));
    return fake;
  };
  const std::vector<FakeBranch> branches = {branch("uncond"), branch("cond")};
  for (const EngineRule& rule : EngineRules()) {
    FakeRun run(branches);
    FakeScheduler scheduler(kCalls);
    const ReplayOptions options{rule, Polynomial({1, -0.02}), 0.25, {0.02, 0.22}};
    const SampleResult live = Cached(&run, &scheduler, at::ones({1}), options);
    const std::string schedule = LiveSchedules(live, 2);
    EXPECT_EQ(schedule, ReplayedSchedules(TraceOf(live, run.branches()), options)) << rule.name;
    const bool same = schedule.substr(0, kCalls) == schedule.substr(kCalls + 1, kCalls);
    EXPECT_EQ(same, rule.branches != EngineRule::Branches::kSeparate) << rule.name << schedule;
  }
}

// A signal that is 0 in a whole call, by every rule.
TEST(LiveRules, ASignalOfZeroDecidesAsInTheReplay) {
  for (const EngineRule& rule : EngineRules()) {
    FakeBranch branch{"batched", std::vector<float>(kCalls, 1), std::vector<float>(kCalls, 1)};
    branch.signal[11] = branch.signal[12] = 0;
    FakeRun run({branch});
    FakeScheduler scheduler(kCalls);
    const ReplayOptions options{rule, Polynomial({1, 0}), 1e30, {}};
    const SampleResult live = Cached(&run, &scheduler, at::ones({1}), options);
    const std::string schedule = LiveSchedules(live, 1);
    EXPECT_EQ(schedule, ReplayedSchedules(TraceOf(live, {"batched"}), options)) << rule.name;
    // 0 -> 0 and 0 -> 1 have a size only with an epsilon in the denominator.
    const bool sized = rule.epsilon_kind != EngineRule::Epsilon::kNone;
    EXPECT_EQ(schedule.substr(11, 3), sized ? "SSS" : "SCC") << rule.name << " " << schedule;
  }
}

// What a fit must not take for the change from one call to the next.
TEST(LiveRules, ResidualsOfCachedRunsAreMeasuredBetweenComputedCallsOnly) {
  FakeRun run({{"batched", std::vector<float>(6, 1), {1, 2, 3, 5, 8, 13}}});
  FakeScheduler scheduler(6);
  const auto policy = MakeMaskPolicy({true, true, false, true, true, false});
  SampleOptions options = Recording();
  options.lookback = 3;
  const SampleResult result = Sample(&run, &scheduler, *policy, at::ones({1}), options);
  std::string measured;
  for (const CallRecord& record : result.calls) {
    measured += record.res.measured() ? 'R' : '-';
    EXPECT_EQ(record.out.measured(), record.res.measured());
    EXPECT_EQ(record.mod.measured(), record.call > 0);
  }
  EXPECT_EQ(measured, "-R--R-");
  // Of call 3, k = 2 is call 1, k = 3 is call 0; of call 4, k = 2 was skipped.
  ASSERT_EQ(result.calls[3].lookback.size(), 2u);
  EXPECT_DOUBLE_EQ(result.calls[3].lookback[0].Ratio(), 1.5);
  EXPECT_DOUBLE_EQ(result.calls[3].lookback[1].Ratio(), 4);
  ASSERT_EQ(result.calls[4].lookback.size(), 2u);
  EXPECT_FALSE(result.calls[4].lookback[0].measured());
  EXPECT_DOUBLE_EQ(result.calls[4].lookback[1].Ratio(), 3);
}

}  // namespace
}  // namespace teacache
