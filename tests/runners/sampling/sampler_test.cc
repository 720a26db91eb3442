#include "runners/sampling/sampler.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "calib/rules/policy_options.h"
#include "datasets/base/error.h"
#include "runners/sampling/first_block.h"
#include "runners/sampling/relative_l1.h"
#include "runners/sampling/weighted_sum.h"
#include "tests/runners/sampling/fake_run.h"
#include "tests/support/matchers.h"
#include "tests/support/torch_matchers.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

at::Tensor One() { return at::ones({1}); }

FakeBranch Branch(std::vector<float> signal, std::vector<float> residual) {
  return {"batched", std::move(signal), std::move(residual)};
}

std::vector<double> Ratios(const SampleResult& result, int branch = 0) {
  std::vector<double> ratios;
  for (const CallRecord& record : result.calls) {
    if (record.branch == branch) ratios.push_back(record.r);
  }
  return ratios;
}

TEST(Sample, SkippedCallsReuseTheLastComputedResidual) {
  FakeRun run({Branch({1, 1, 1, 1, 1}, {1, 2, 3, 4, 5})});
  FakeScheduler scheduler(5);
  const auto policy = MakeMaskPolicy(ParseMask("CSSCS"));
  const SampleResult result = Sample(&run, &scheduler, *policy, One());
  // 11 z + 3 residual with the residuals 1, 1, 1, 4, 4.
  EXPECT_THAT(run.heads, ElementsAre(14, 14, 14, 23, 23));
  EXPECT_EQ(run.blocks_run, 2);
  EXPECT_EQ(run.signals_asked, 0);  // a mask looks at no signal
  EXPECT_THAT(result.Computed(), ElementsAre(true, false, false, true, false));
  EXPECT_EQ(result.ComputedCount(), 2);
}

// The residual is added to the input of the skipped call, not the old output handed out.
TEST(Sample, TheResidualIsAddedToTheNewInput) {
  FakeRun run({Branch({1, 1, 1}, {1, 2, 3})});
  FakeScheduler scheduler(3, /*rate=*/0.5);
  const auto policy = MakeMaskPolicy(ParseMask("CSC"));
  SampleOptions options;
  options.keep_latents = true;
  const SampleResult result = Sample(&run, &scheduler, *policy, One(), options);
  // z0 = 1: 14, z1 = 1 + 7 = 8: 11 * 8 + 3 = 91, z2 = 8 + 45.5 = 53.5: 588.5 + 9 = 597.5.
  EXPECT_THAT(run.heads, ElementsAre(14, 91, 597.5));
  std::vector<double> latents;
  for (const at::Tensor& latent : result.latents) latents.push_back(latent.item<double>());
  EXPECT_THAT(latents, ElementsAre(1, 8, 53.5, 352.25));
  EXPECT_EQ(result.latent.item<double>(), 352.25);
}

// 11 z + 3 residual at every call, the residuals of branch 1 being 10 at call 3 and 0 before.
std::vector<double> ForecastHeads(int order, std::vector<double> times = {}) {
  FakeRun run({Branch({1, 1, 1, 1, 1, 1, 1}, {1, 2, 4, 9, 5, 6, 7}),
               {"uncond", {1, 1, 1, 1, 1, 1, 1}, {0, 0, 0, 10, 0, 0, 0}}});
  FakeScheduler scheduler(7);
  scheduler.times = std::move(times);
  SampleOptions options;
  options.forecast = order;
  Sample(&run, &scheduler, *MakeMaskPolicy(ParseMask("CSCCSSS")), One(), options);
  return run.heads;
}

TEST(Sample, ForecastsExtrapolateTheResidualsOfEachBranch) {
  EXPECT_THAT(ForecastHeads(0),
              ElementsAre(14, 11, 14, 11, 23, 11, 38, 41, 38, 41, 38, 41, 38, 41));
  // Lines through calls 2 and 3: 14 and 20 at call 4, and no farther ahead. Call 1 knows one
  // computed call only.
  EXPECT_THAT(ForecastHeads(1),
              ElementsAre(14, 11, 14, 11, 23, 11, 38, 41, 53, 71, 53, 71, 53, 71));
  // Parabolas through calls 0, 2 and 3.
  const std::vector<double> heads = ForecastHeads(2);
  const auto parabola = [](double call) { return 1 + call * (call * 7 / 6.0 - 5 / 6.0); };
  const auto other = [](double call) { return call * (call - 2) * 10 / 3.0; };
  for (const int call : {4, 5, 6}) {
    EXPECT_NEAR(heads[2 * call], 11 + 3 * parabola(4), 1e-4);
    EXPECT_NEAR(heads[2 * call + 1], 11 + 3 * other(4), 1e-4);
  }
}

// As PNDM repeats one: a slope between two residuals of one time has no meaning.
TEST(Sample, ForecastsTakeTheLaterOfTwoComputedCallsAtOneTime) {
  const std::vector<double> heads = ForecastHeads(1, {100, 99, 98, 98, 97, 96, 95});
  // Line through call 0 (1 at 100) and call 3 (9 at 98).
  EXPECT_THAT(heads, ElementsAre(14, 11, 14, 11, 23, 11, 38, 41, 50, 56, 62, 71, 62, 71));
}

TEST(Sample, ForecastsOfOtherOrdersAreRefused) {
  EXPECT_THAT(ErrorOf([] { ForecastHeads(3); }), HasSubstr("--forecast"));
}

// What is recorded of a computed call does not depend on what skipped calls got.
TEST(Sample, ForecastsDoNotChangeWhatIsMeasured) {
  FakeRun run({Branch({1, 1, 1, 1, 1}, {1, 3, 7, 5, 6})});
  FakeScheduler scheduler(5);
  SampleOptions options;
  options.record = true;
  options.forecast = 2;
  const auto policy = MakeMaskPolicy(ParseMask("CCCSC"));
  const SampleResult result = Sample(&run, &scheduler, *policy, One(), options);
  EXPECT_DOUBLE_EQ(result.calls[1].res.Ratio(), 2);
  EXPECT_DOUBLE_EQ(result.calls[2].res.diff_l1, 12);  // (3, 6) -> (7, 14)
  EXPECT_FALSE(result.calls[4].res.measured());
}

TEST(WeightedSum, EqualsTheSumInDouble) {
  auto generator = at::detail::createCPUGenerator(11);
  const std::vector<double> weights = {1.7, -0.9, 0.2};
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const int64_t n : {1, 7, 32769, 100003}) {
      const at::Tensor base = at::randn({n, 2}, generator, at::kFloat).to(dtype);
      std::vector<at::Tensor> terms;
      at::Tensor expected = base.to(at::kDouble);
      for (size_t k = 0; k < weights.size(); ++k) {
        // Turned, so that strides differ.
        terms.push_back(at::randn({2, n}, generator, at::kFloat).to(dtype).t());
        expected = expected + terms.back().to(at::kDouble) * weights[k];
        const std::vector<double> some(weights.begin(), weights.begin() + k + 1);
        at::set_num_threads(1);
        const at::Tensor sum = WeightedSum(base, terms, some);
        EXPECT_EQ(sum.scalar_type(), dtype);
        const double error = (sum.to(at::kDouble) - expected).abs().max().item<double>();
        const double scale = expected.abs().max().item<double>();
        const double ulp = dtype == at::kBFloat16 ? 0x1p-8 : dtype == at::kHalf ? 0x1p-11 : 0x1p-22;
        EXPECT_LE(error, scale * (dtype == at::kDouble ? 1e-15 : ulp)) << dtype << n << " " << k;
        at::set_num_threads(2);
        EXPECT_TRUE(at::equal(WeightedSum(base, terms, some), sum));
        at::set_num_threads(1);
      }
      // A reused residual: the bits of a plain addition.
      EXPECT_TRUE(at::equal(WeightedSum(base, {terms[0]}, {1}), base + terms[0])) << dtype;
    }
  }
}

TEST(Sample, TheSignalIsComparedWithTheCallBefore) {
  FakeRun run({Branch({2, 3, 3, 6, 3}, {1, 1, 1, 1, 1})});
  FakeScheduler scheduler(5);
  // f = r, threshold 0.9: 0.5 skips, 0.5 + 0 skips, + 1 computes, last forced.
  const auto policy = MakeTeaCachePolicy({0.9, Polynomial({1, 0})});
  const SampleResult result = Sample(&run, &scheduler, *policy, One());
  EXPECT_TRUE(Near(Ratios(result), std::vector<double>{0, 0.5, 0, 1, 0.5}, 1e-9, 0));
  EXPECT_THAT(result.Computed(), ElementsAre(true, false, false, true, true));
  EXPECT_DOUBLE_EQ(result.calls[2].decision.accumulated, 0.5);
  EXPECT_DOUBLE_EQ(result.calls[3].decision.accumulated, 1.5);
  EXPECT_TRUE(result.calls[0].decision.forced);
  EXPECT_TRUE(result.calls[4].decision.forced);
  EXPECT_EQ(run.signals_asked, 5);
}

TEST(Sample, BranchesDecideApart) {
  FakeBranch cond{"cond", {1, 2, 4, 8, 16}, {1, 2, 3, 4, 5}};
  FakeBranch uncond{"uncond", {1, 1, 1, 1, 1}, {10, 20, 30, 40, 50}};
  FakeRun run({cond, uncond});
  FakeScheduler scheduler(5);
  const auto policy = MakeTeaCachePolicy({0.5, Polynomial({1, 0})});
  const SampleResult result = Sample(&run, &scheduler, *policy, One());
  ASSERT_EQ(result.calls.size(), 10u);
  EXPECT_TRUE(Near(Ratios(result, 0), std::vector<double>{0, 1, 1, 1, 1}, 1e-9, 0));
  EXPECT_TRUE(Near(Ratios(result, 1), std::vector<double>{0, 0, 0, 0, 0}, 1e-9, 0));
  EXPECT_THAT(result.Computed(),
              ElementsAre(true, true, true, false, true, false, true, false, true, true));
  // cond computes all, uncond only first and last: 11 + 3 residual.
  EXPECT_THAT(run.heads, ElementsAre(14, 41, 17, 41, 20, 41, 23, 41, 26, 161));
}

// The same model cut after a first block, which adds `first` of the residual.
class FirstBlockFake : public FakeRun, public FirstBlockRun {
 public:
  FirstBlockFake(FakeBranch branch, std::vector<float> first)
      : FakeRun({std::move(branch)}), first_(std::move(first)) {}

  std::vector<at::Tensor> FirstBlock(int call,
                                     int /*branch*/,
                                     const std::vector<at::Tensor>& streams) override {
    ++first_blocks_run;
    return {streams[0] + first_.at(call), streams[1] + 2 * first_.at(call)};
  }
  std::vector<at::Tensor> OtherBlocks(int call,
                                      int branch,
                                      const std::vector<at::Tensor>& streams) override {
    return Blocks(call, branch, {streams[0] - first_.at(call), streams[1] - 2 * first_.at(call)});
  }

  int first_blocks_run = 0;

 private:
  std::vector<float> first_;
};

// The first block's residual is compared with that of the last computed call, and a skipped call
// gets its own first block and the others' residual of that call.
TEST(Sample, TheFirstBlockAlwaysRunsForItsPolicy) {
  FirstBlockFake run(Branch({}, {10, 20, 30, 40, 50, 60}), {4, 4.125, 6, 6, 6.5, 3});
  FakeScheduler scheduler(6);
  const auto policy = MakeFirstBlockPolicy({0.1});
  const SampleResult result = Sample(&run, &scheduler, *policy, One());
  EXPECT_THAT(result.Computed(), ElementsAre(true, false, true, false, false, true));
  EXPECT_TRUE(
      Near(Ratios(result), std::vector<double>{0, 0.03125, 0.5, 0, 1 / 12.0, 0.5}, 1e-9, 0));
  EXPECT_EQ(run.first_blocks_run, 6);
  EXPECT_EQ(run.blocks_run, 3);
  EXPECT_EQ(run.signals_asked, 0);
  // 11 z + 3 (first + others): others 6, 6, 24, 24, 24, 57.
  EXPECT_THAT(run.heads, ElementsAre(41, 41.375, 101, 101, 102.5, 191));
}

TEST(Sample, TheFirstBlocksPolicyRecordsAsOthersDo) {
  const auto record = [](const CachePolicy& policy) {
    FirstBlockFake run(Branch({1, 2, 4, 4}, {10, 20, 30, 45}), {4, 8, 16, 32});
    FakeScheduler scheduler(4);
    SampleOptions options;
    options.record = true;
    std::vector<double> ratios;
    for (const CallRecord& call : Sample(&run, &scheduler, policy, One(), options).calls) {
      for (const L1Sums& sums : {call.mod, call.res, call.out}) {
        ratios.push_back(sums.measured() ? sums.Ratio() : -1);
      }
    }
    return ratios;
  };
  EXPECT_EQ(record(*MakeFirstBlockPolicy({0.1})), record(*MakeNoCachePolicy()));
}

TEST(Sample, ARunWithoutAFirstBlockRefusesItsPolicy) {
  FakeRun run({Branch({1, 1}, {1, 1})});
  FakeScheduler scheduler(2);
  const auto policy = MakeFirstBlockPolicy({0.1});
  EXPECT_THAT(ErrorOf([&] { Sample(&run, &scheduler, *policy, One()); }), HasSubstr("fbcache"));
}

// Notes what it is given, and computes calls 0 and 2.
class LatentSpy : public CachePolicy {
 public:
  PolicySignal signal() const override { return PolicySignal::kLatent; }
  PolicyDecision Decide(const PolicyCall& call, PolicyState*) const override {
    signals.push_back(call.r);
    return {call.call != 1};
  }
  void Learn(const ComputedCall& computed, PolicyState*) const override {
    learned.push_back(computed);
  }
  mutable std::vector<double> signals;
  mutable std::vector<ComputedCall> learned;
};

TEST(Sample, PoliciesMayLookAtLatentsAndLearnFromComputedCalls) {
  FakeRun run({Branch({1, 1, 1}, {1, 2, 3})});
  FakeScheduler scheduler(3, /*rate=*/0.5);
  const LatentSpy spy;
  Sample(&run, &scheduler, spy, One());
  // As in TheResidualIsAddedToTheNewInput: latents 1, 8, 53.5; outputs 14, 91, 597.5.
  ASSERT_EQ(spy.signals.size(), 3u);
  EXPECT_TRUE(std::isnan(spy.signals[0]));
  EXPECT_EQ(spy.signals[1], 7);
  EXPECT_EQ(spy.signals[2], 45.5);
  ASSERT_EQ(spy.learned.size(), 2u);
  EXPECT_EQ(spy.learned[0].output_size, 14);
  EXPECT_TRUE(std::isnan(spy.learned[0].output_change));
  EXPECT_TRUE(std::isnan(spy.learned[0].latent_change));
  EXPECT_EQ(spy.learned[1].output_size, 597.5);
  EXPECT_EQ(spy.learned[1].output_change, 583.5);
  EXPECT_EQ(spy.learned[1].latent_change, 52.5);
}

TEST(Sample, UniformAndMaskSchedules) {
  for (const int computed : {2, 3, 7, 12, 20}) {
    FakeRun run({Branch(std::vector<float>(20, 1), std::vector<float>(20, 1))});
    FakeScheduler scheduler(20);
    const auto policy = MakeUniformPolicy(computed);
    const SampleResult result = Sample(&run, &scheduler, *policy, One());
    EXPECT_EQ(result.Computed(), UniformMask(20, computed));
    EXPECT_EQ(run.blocks_run, computed);
    EXPECT_TRUE(result.Computed().front());
    EXPECT_TRUE(result.Computed().back());
  }
}

TEST(Sample, TheRunSaysWhichCallsAreFirst) {
  FakeRun run({Branch({1, 1, 1, 1}, {1, 1, 1, 1})});
  run.last_first_call = 1;
  FakeScheduler scheduler(4);
  const auto policy = MakeTeaCachePolicy({0.5, Polynomial({1, 0})});
  SampleOptions options;
  options.teacache_mode = TeaCacheMode::kReference;
  EXPECT_THAT(Sample(&run, &scheduler, *policy, One(), options).Computed(),
              ElementsAre(true, true, false, true));
}

// As Open-Sora's reference, whose comparison of timesteps may miss the last call.
TEST(Sample, TheModesDifferInTheLastCall) {
  const auto policy = MakeTeaCachePolicy({0.5, Polynomial({1, 0})});
  const auto computed = [&](TeaCacheMode mode) {
    FakeRun run({Branch({1, 1, 1, 1}, {1, 1, 1, 1})});
    run.last_call_is_last = false;
    FakeScheduler scheduler(4);
    SampleOptions options;
    options.teacache_mode = mode;
    return Sample(&run, &scheduler, *policy, One(), options).Computed();
  };
  EXPECT_THAT(computed(TeaCacheMode::kReference), ElementsAre(true, false, false, false));
  EXPECT_THAT(computed(TeaCacheMode::kStrict), ElementsAre(true, false, false, true));
}

TEST(Sample, OneCallIsComputed) {
  FakeRun run({Branch({1}, {1})});
  FakeScheduler scheduler(1);
  const auto policy = MakeTeaCachePolicy({10, Polynomial({1, 0})});
  EXPECT_EQ(Sample(&run, &scheduler, *policy, One()).ComputedCount(), 1);
}

// A change from 0, or from or to what is no number, has no size: the call is computed.
TEST(Sample, CallsWhoseSignalHasNoChangeAreComputed) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float odd : {0.0F, nan}) {
    for (const auto mode : {TeaCacheMode::kStrict, TeaCacheMode::kReference}) {
      FakeRun run({Branch({1, 1, odd, 1, 1, 1}, {1, 1, 1, 1, 1, 1})});
      FakeScheduler scheduler(6);
      SampleOptions options;
      options.teacache_mode = mode;
      const SampleResult result =
          Sample(&run, &scheduler, *MakeTeaCachePolicy({5, Polynomial({1, 0})}), One(), options);
      // 1 -> 0 is a change by 1 and is skipped; 1 -> NaN is not.
      EXPECT_THAT(result.Computed(), ElementsAre(true, false, odd != 0, true, false, true)) << odd;
    }
  }
}

TEST(Sample, RecordsEveryCall) {
  FakeRun run({Branch({2, 3, 6, 6}, {1, 3, 2, 6})});
  FakeScheduler scheduler(4);
  SampleOptions options;
  options.record = true;
  options.lookback = 3;
  const auto policy = MakeNoCachePolicy();
  const SampleResult result = Sample(&run, &scheduler, *policy, One(), options);
  EXPECT_EQ(run.signals_asked, 4);
  const CallRecord& first = result.calls[0];
  EXPECT_FALSE(first.mod.measured());
  EXPECT_FALSE(first.res.measured());
  EXPECT_FALSE(first.out.measured());
  EXPECT_TRUE(first.lookback.empty());
  const CallRecord& second = result.calls[1];
  // Signal: six numbers 2 -> 3. Residuals (1, 2) -> (3, 6). Outputs (2, 12) -> (4, 16).
  EXPECT_EQ(second.mod.n, 6);
  EXPECT_DOUBLE_EQ(second.mod.diff_l1, 6);
  EXPECT_DOUBLE_EQ(second.mod.prev_l1, 12);
  EXPECT_DOUBLE_EQ(second.r, 0.5);
  EXPECT_EQ(second.res.n, 2);
  EXPECT_DOUBLE_EQ(second.res.diff_l1, 6);
  EXPECT_DOUBLE_EQ(second.res.prev_l1, 3);
  EXPECT_DOUBLE_EQ(second.out.diff_l1, 6);
  EXPECT_DOUBLE_EQ(second.out.prev_l1, 14);
  EXPECT_TRUE(second.lookback.empty());
  // Look-back k = 2 of call 2: residual 2 against 1; of call 3: 6 against 3, and k = 3: against 1.
  ASSERT_EQ(result.calls[2].lookback.size(), 1u);
  EXPECT_DOUBLE_EQ(result.calls[2].lookback[0].Ratio(), 1);
  ASSERT_EQ(result.calls[3].lookback.size(), 2u);
  EXPECT_DOUBLE_EQ(result.calls[3].lookback[0].Ratio(), 1);
  EXPECT_DOUBLE_EQ(result.calls[3].lookback[1].Ratio(), 5);
  EXPECT_DOUBLE_EQ(result.calls[3].res.Ratio(), 2);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(result.calls[i].call, i);
    EXPECT_EQ(result.calls[i].step, i / 2);
    EXPECT_EQ(result.calls[i].timestep, 100 - i);
    EXPECT_GE(result.calls[i].ms_blocks, 0);
  }
}

TEST(Sample, LookbackIsCutAtItsLength) {
  std::vector<float> residual;
  for (int i = 0; i < 8; ++i) residual.push_back(static_cast<float>(1 << i));
  FakeRun run({Branch(std::vector<float>(8, 1), residual)});
  FakeScheduler scheduler(8);
  SampleOptions options;
  options.record = true;
  options.lookback = 3;
  const SampleResult result = Sample(&run, &scheduler, *MakeNoCachePolicy(), One(), options);
  for (int i = 3; i < 8; ++i) {
    ASSERT_EQ(result.calls[i].lookback.size(), 2u) << i;
    EXPECT_DOUBLE_EQ(result.calls[i].lookback[0].Ratio(), 3);  // (4 - 1) / 1
    EXPECT_DOUBLE_EQ(result.calls[i].lookback[1].Ratio(), 7);
  }
}

TEST(TraceRows, CarryTheRun) {
  FakeRun run({{"cond", {1, 2}, {1, 2}}, {"uncond", {1, 1}, {1, 3}}});
  FakeScheduler scheduler(2);
  SampleOptions options;
  options.record = true;
  const SampleResult result = Sample(&run, &scheduler, *MakeNoCachePolicy(), One(), options);
  const std::vector<TraceRow> rows = TraceRows(result, run.branches(), "a prompt", 7);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].branch, "cond");
  EXPECT_EQ(rows[3].branch, "uncond");
  EXPECT_EQ(rows[3].prompt, "a prompt");
  EXPECT_EQ(rows[3].seed, 7);
  EXPECT_EQ(rows[3].call, 1);
  EXPECT_EQ(rows[2].mod.Ratio(), 1);
  EXPECT_EQ(rows[3].res.Ratio(), 2);
}

TEST(MeasureL1, DirectSums) {
  const auto generator = at::detail::createCPUGenerator(3);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor a = at::randn({7, 33, 5}, generator, at::kFloat).to(dtype);
    const at::Tensor b = at::randn({7, 33, 5}, generator, at::kFloat).to(dtype);
    const at::Tensor da = a.to(at::kDouble).flatten().contiguous();
    const at::Tensor db = b.to(at::kDouble).flatten().contiguous();
    double diff = 0, prev = 0;
    for (int64_t i = 0; i < da.numel(); ++i) {
      diff += std::abs(da.data_ptr<double>()[i] - db.data_ptr<double>()[i]);
      prev += std::abs(db.data_ptr<double>()[i]);
    }
    const L1Sums sums = MeasureL1(a, b);
    EXPECT_EQ(sums.n, 7 * 33 * 5);
    // Differences are float32 whatever the tensors' type, sums are double.
    EXPECT_NEAR(sums.diff_l1, diff, 1e-7 * diff);
    EXPECT_NEAR(sums.prev_l1, prev, 1e-9 * prev);
    // Strides do not matter.
    const L1Sums turned = MeasureL1(a.transpose(0, 2), b.transpose(0, 2));
    EXPECT_NEAR(turned.diff_l1, sums.diff_l1, 1e-9 * diff);
    const L1Sums streams = MeasureL1(std::vector<at::Tensor>{a, b}, {b, b});
    EXPECT_NEAR(streams.diff_l1, sums.diff_l1, 1e-9 * diff);
    EXPECT_NEAR(streams.prev_l1, 2 * sums.prev_l1, 1e-9 * prev);
    EXPECT_EQ(streams.n, 2 * sums.n);
    EXPECT_NEAR(ReferenceRelativeL1(a, b),
                sums.Ratio(),
                (dtype == at::kFloat ? 1e-5 : 1e-2) * sums.Ratio());
  }
}

// The plain loop over all values, in whose order rounding errors do not matter here: the values are
// multiples of 2^-10 and the sums are exact.
TEST(MeasureL1, EqualsTheLoopAtEverySize) {
  auto generator = at::detail::createCPUGenerator(5);
  for (const int64_t n : {1, 7, 8, 9, 1000, 65535, 65536, 65537, 3 * 65536 + 5}) {
    const at::Tensor a = at::randint(-4096, 4096, {n}, generator, at::kFloat) / 1024;
    const at::Tensor b = at::randint(-4096, 4096, {n}, generator, at::kFloat) / 1024;
    double diff = 0, prev = 0;
    for (int64_t i = 0; i < n; ++i) {
      diff += std::abs(a.const_data_ptr<float>()[i] - b.const_data_ptr<float>()[i]);
      prev += std::abs(b.const_data_ptr<float>()[i]);
    }
    for (const int threads : {1, 2}) {
      at::set_num_threads(threads);
      const L1Sums sums = MeasureL1(a, b);
      EXPECT_EQ(sums.diff_l1, diff) << n;
      EXPECT_EQ(sums.prev_l1, prev) << n;
      EXPECT_EQ(sums.n, n);
    }
    at::set_num_threads(1);
  }
}

// A float32 sum of as many equal numbers would stop growing at 2^24.
TEST(MeasureL1, LargeTensorsAreSummedInDouble) {
  const at::Tensor a = at::full({17'000'000}, 1.0F);
  const at::Tensor b = at::full({17'000'000}, 3.0F);
  const L1Sums sums = MeasureL1(a, b);
  EXPECT_DOUBLE_EQ(sums.diff_l1, 3.4e7);
  EXPECT_DOUBLE_EQ(sums.prev_l1, 5.1e7);
}

TEST(ReferenceRelativeL1, RoundsAsTheModelsDtype) {
  const at::Tensor a = at::tensor({1.0F, 2.0F, 4.0F}).to(at::kBFloat16);
  const at::Tensor b = at::tensor({1.0F, 1.0F, 1.0F}).to(at::kBFloat16);
  // mean 4 / 3 is 1.3359375 in bfloat16.
  EXPECT_EQ(ReferenceRelativeL1(a, b), 1.3359375);
  FakeRun run({Branch({3, 4, 4}, {1, 1, 1})});
  FakeScheduler scheduler(3);
  SampleOptions options;
  options.teacache_mode = TeaCacheMode::kReference;
  const auto policy = MakeTeaCachePolicy({0.5, Polynomial({1, 0})});
  const SampleResult result = Sample(&run, &scheduler, *policy, One(), options);
  EXPECT_EQ(result.calls[1].r, static_cast<double>(1.0F / 3.0F));
}

}  // namespace
}  // namespace teacache
