#include <benchmark/benchmark.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "calib/diagnosis/diagnostics.h"
#include "calib/fit/fit.h"
#include "calib/replay/threshold_sweep.h"

namespace teacache {
namespace {

// 70 prompts x 50 steps, the size of TeaCache's own calibration.
PairSet MakePairs(int prompts = 70, int calls = 50) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal(0, 1);
  PairSet set;
  set.calls = set.steps = calls;
  set.branches = {"batched"};
  for (int p = 0; p < prompts; ++p) {
    set.prompts.push_back(std::to_string(p));
    for (int call = 1; call < calls; ++call) {
      Pair pair;
      pair.prompt = p;
      pair.call = pair.step = call;
      pair.x = 0.05 + 0.3 * std::pow(std::sin(0.06 * call), 2) + 0.02 * std::fabs(normal(random));
      pair.y = 0.1 + 1.2 * pair.x + 2 * pair.x * pair.x + 0.03 * normal(random);
      set.pairs.push_back(pair);
    }
  }
  return set;
}

ReplayOptions Options(const char* engine) {
  return {FindEngineRule(engine), Polynomial({5.0, -3.0, 1.5, 0.4, 0.05}), 0.3, {}};
}

// 2,000 thresholds at once.
void BM_Sweep(benchmark::State& state) {
  const ReplayInput input = MakeReplayInput(MakePairs());
  const ReplayOptions options = Options("teacache");
  const std::vector<double> thresholds = SweepThresholds(input, options, 2000);
  for (auto _ : state) benchmark::DoNotOptimize(Sweep(input, options, thresholds));
  state.counters["calls"] =
      benchmark::Counter(70.0 * 50 * 2000, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(BM_Sweep)->Unit(benchmark::kMillisecond);

// The same, one plain replay per threshold.
void BM_SweepPlain(benchmark::State& state) {
  const ReplayInput input = MakeReplayInput(MakePairs());
  ReplayOptions options = Options("teacache");
  const std::vector<double> thresholds = SweepThresholds(input, options, 2000);
  for (auto _ : state) {
    for (double threshold : thresholds) {
      options.threshold = threshold;
      for (const SignalRun& run : input.runs) benchmark::DoNotOptimize(ReplayRun(run, options));
    }
  }
  state.counters["calls"] =
      benchmark::Counter(70.0 * 50 * 2000, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(BM_SweepPlain)->Unit(benchmark::kMillisecond);

// The fit with everything that is said about it: 1,000 bootstrap samples, cross-validation of all
// degrees, learning curve.
void BM_FitAndDiagnose(benchmark::State& state) {
  const PairSet set = MakePairs();
  FitOptions options;
  options.method = static_cast<FitOptions::Method>(state.range(0));
  options.monotone = options.non_negative = state.range(1) != 0;
  for (auto _ : state) {
    const FitSummary fit = FitPolynomial(Xs(set), Ys(set), options);
    benchmark::DoNotOptimize(Diagnose(set, set, options, fit));
  }
  state.SetLabel(ToString(options.method) + (options.monotone ? ", constrained" : ""));
}
BENCHMARK(BM_FitAndDiagnose)
    ->ArgsProduct({{static_cast<int>(FitOptions::Method::kPolyfit),
                    static_cast<int>(FitOptions::Method::kHuber),
                    static_cast<int>(FitOptions::Method::kCauchy),
                    static_cast<int>(FitOptions::Method::kTukey)},
                   {0, 1}})
    ->Unit(benchmark::kMillisecond);

// A million pairs, one in fifty of them far off.
void BM_FitMillion(benchmark::State& state) {
  std::mt19937 random(2);
  std::uniform_real_distribution<double> uniform(0.01, 0.5);
  std::normal_distribution<double> normal(0, 0.02);
  std::vector<double> x;
  std::vector<double> y;
  for (int i = 0; i < 1'000'000; ++i) {
    x.push_back(uniform(random));
    y.push_back(0.1 + x.back() + normal(random) + (i % 50 == 0 ? 2 : 0));
  }
  FitOptions options;
  options.method = static_cast<FitOptions::Method>(state.range(0));
  options.monotone = options.non_negative = state.range(1) != 0;
  for (auto _ : state) {
    const FitSummary fit = FitPolynomial(x, y, options);
    if (!fit.converged) state.SkipWithError(fit.status.c_str());
  }
  state.SetLabel(ToString(options.method) + (options.monotone ? ", constrained" : ""));
}
BENCHMARK(BM_FitMillion)
    ->ArgsProduct({{static_cast<int>(FitOptions::Method::kPolyfit),
                    static_cast<int>(FitOptions::Method::kCeres),
                    static_cast<int>(FitOptions::Method::kHuber),
                    static_cast<int>(FitOptions::Method::kCauchy),
                    static_cast<int>(FitOptions::Method::kTukey)},
                   {0, 1}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace teacache
