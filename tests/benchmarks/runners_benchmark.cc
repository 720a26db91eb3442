#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <memory>

#include "calib/fit/fit.h"
#include "runners/generate_videos.h"
#include "runners/sampling/relative_l1.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/shapes_weights.h"
#include "runners/systems/system_list.h"
#include "tests/support/paths.h"

namespace teacache {
namespace {

// The embedded model with the shipped weights, or with random ones of the same size when those are
// not there: the time of a call does not depend on the values, the computed calls do.
std::string WeightsFolder() {
  const std::filesystem::path shipped =
      std::filesystem::path(SourceDir()) / "runners/weights/shapes";
  if (std::filesystem::exists(shipped / "SHA256SUMS")) return shipped.string();
  const auto folder = std::filesystem::temp_directory_path() / "teacache-benchmark-weights";
  RandomParameters autoencoder(1);
  const ShapesAutoencoder first(&autoencoder, {});
  RandomParameters transformer(2);
  const ShapesTransformer second(&transformer, {});
  SaveShapesWeights(
      folder.string(), autoencoder.tensors(), {}, transformer.tensors(), {}, {{"random", "yes"}});
  return folder.string();
}

const System& Shapes() {
  static const std::unique_ptr<System> system = [] {
    at::set_num_threads(1);
    SystemOptions options;
    options.weights = WeightsFolder();
    return LoadSystem("shapes", options);
  }();
  return *system;
}

constexpr const char* kPrompt = "a large blue star circling fast on white";

// f of six recorded runs, degree 4.
const Polynomial& Fitted() {
  static const Polynomial polynomial = [] {
    std::vector<double> x, y;
    SampleOptions options;
    options.record = true;
    for (const std::string& prompt : Shapes().DemoPrompts(6)) {
      const auto made = GenerateVideo(Shapes(), *MakeNoCachePolicy(), prompt, 0, options);
      for (const CallRecord& call : made.sample.calls) {
        if (call.call == 0 || call.call + 1 == Shapes().info().calls) continue;
        x.push_back(call.mod.Ratio());
        y.push_back(call.res.Ratio());
      }
    }
    return FitPolynomialQr(x, y, 4).polynomial;
  }();
  return polynomial;
}

// One uncached video on one core, decoding and noise included: the product's bound is 4 s.
void UncachedVideo(benchmark::State& state) {
  Shapes();
  double decode = 0;
  for (auto _ : state) {
    const GeneratedVideo made = GenerateVideo(Shapes(), *MakeNoCachePolicy(), kPrompt, 0);
    decode += made.decode_seconds;
    benchmark::DoNotOptimize(made.video.frames.data());
  }
  const auto n = static_cast<double>(state.iterations());
  state.counters["seconds"] =
      benchmark::Counter(n, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["decode_seconds"] = decode / n;
}
BENCHMARK(UncachedVideo)->Unit(benchmark::kMillisecond)->UseRealTime();

// A computed call runs Embed, Blocks and Head, a skipped one Embed, an addition and Head.
void Call(benchmark::State& state) {
  const bool computed = state.range(0) != 0;
  const at::NoGradGuard no_grad;
  const auto run = Shapes().Begin(kPrompt);
  const at::Tensor latent = Shapes().Noise(0);
  const at::Tensor residual = at::zeros_like(run->Embed(5, 0, latent, false).streams[0]);
  for (auto _ : state) {
    const DenoisingRun::Embedding embedding = run->Embed(5, 0, latent, /*with_signal=*/true);
    const std::vector<at::Tensor> streams =
        computed ? run->Blocks(5, 0, embedding.streams)
                 : std::vector<at::Tensor>{embedding.streams[0] + residual};
    benchmark::DoNotOptimize(run->Guide({run->Head(5, 0, streams, latent)}));
  }
  state.SetLabel(computed ? "computed" : "skipped");
}
BENCHMARK(Call)->Arg(1)->Arg(0)->Unit(benchmark::kMicrosecond);

// The measured speed-up of the denoising loop beside calls / computed calls: each cached run is
// timed with an uncached one right before it, so that drift of the machine hits both.
void Sampling(benchmark::State& state) {
  const double threshold = static_cast<double>(state.range(0)) / 100;
  const auto none = MakeNoCachePolicy();
  const auto policy = MakeTeaCachePolicy({threshold, Fitted()});
  const auto seconds = [&](const CachePolicy& p, int* computed) {
    const auto run = Shapes().Begin(kPrompt);
    const auto scheduler = Shapes().MakeScheduler();
    const SampleResult result = Sample(run.get(), scheduler.get(), p, Shapes().Noise(0));
    *computed = result.ComputedCount();
    return result.seconds;
  };
  double uncached = 0, cached = 0;
  int calls = 0, computed = 0;
  for (auto _ : state) {
    uncached += seconds(*none, &calls);
    const double s = seconds(*policy, &computed);
    cached += s;
    state.SetIterationTime(s);
  }
  state.counters["computed_calls"] = computed;
  state.counters["calls_ratio"] = static_cast<double>(calls) / computed;
  state.counters["speedup"] = uncached / cached;
}
BENCHMARK(Sampling)
    ->ArgName("threshold_x100")
    ->Arg(0)
    ->Arg(5)
    ->Arg(10)
    ->Arg(20)
    ->Arg(40)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime();

// Sums of |a - b| and |b| as a loop over the values, in double: what MeasureL1 must not be slower
// than.
L1Sums MeasureL1Plain(const at::Tensor& a, const at::Tensor& b) {
  const float* x = a.const_data_ptr<float>();
  const float* y = b.const_data_ptr<float>();
  L1Sums sums;
  for (int64_t i = 0; i < a.numel(); ++i) {
    sums.diff_l1 += std::abs(x[i] - y[i]);
    sums.prev_l1 += std::abs(y[i]);
  }
  sums.n = a.numel();
  return sums;
}

void MeasureChange(benchmark::State& state,
                   L1Sums (*measure)(const at::Tensor&, const at::Tensor&)) {
  at::set_num_threads(1);
  const at::Tensor a = at::randn({state.range(0)});
  const at::Tensor b = at::randn({state.range(0)});
  for (auto _ : state) benchmark::DoNotOptimize(measure(a, b));
  state.SetBytesProcessed(state.iterations() * state.range(0) * 8);
}
// The embedded model's signal, and one of Open-Sora's size.
BENCHMARK_CAPTURE(MeasureChange, library, &MeasureL1)->Arg(10240)->Arg(4'718'592);
BENCHMARK_CAPTURE(MeasureChange, plain, &MeasureL1Plain)->Arg(10240)->Arg(4'718'592);

}  // namespace
}  // namespace teacache
