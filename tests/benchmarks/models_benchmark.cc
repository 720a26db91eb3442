// One block of each published transformer at its full width, and what TeaCache costs beside it.
// Shares of the peak are of a matrix product measured in the same run. Everything runs on the CPU
// in float32 with all cores, and again on the GPU in float16 where there is one. With
// TEACACHE_BENCHMARK_SMALL=1 the models are cut short: for emulated devices, where no time means
// anything.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <cstdlib>
#include <functional>

#include "calib/rules/teacache_mode.h"
#include "datasets/tensors/torch_device.h"
#include "runners/models/latte_t2v.h"
#include "runners/models/stdit3.h"
#include "runners/sampling/forecast.h"
#include "runners/sampling/relative_l1.h"
#include "runners/systems/latte_run.h"

namespace teacache {
namespace {

const bool kSmall = std::getenv("TEACACHE_BENCHMARK_SMALL") != nullptr;
constexpr int64_t kD = 1152;
constexpr int64_t kText = 20;    // tokens of an ordinary prompt
constexpr int64_t kLayers = 28;  // pairs of blocks of a whole model

struct Machine {
  at::TensorOptions options;
  // Video tokens are [1, frames, side * side, kD] for spatial blocks: fewer frames than a video on
  // the CPU, of the real 512 x 512 pixels; and the real 16 frames of fewer places for temporal
  // ones.
  int64_t frames = 2;
  int64_t side = 32;
  int64_t places = 128;
  int64_t peak_side = 2048;  // of the matrices that the peak is measured with
};

Machine MachineOf(bool gpu) {
  const at::TensorOptions there = at::TensorOptions(at::kHalf).device(at::kCUDA);
  if (gpu && kSmall) return {there.dtype(at::kFloat), 1, 4, 1, 64};
  if (gpu) return {there, 16, 32, 1024, 8192};
  return {at::TensorOptions(at::kFloat)};
}

at::Device DeviceOf(const Machine& machine) { return machine.options.device(); }

// Random parameters where and as the machine wants them.
class MachineParameters : public ParameterSource {
 public:
  explicit MachineParameters(const Machine& machine) : machine_(machine), random_(1) {}
  at::Tensor Get(const std::string& name,
                 const std::vector<int64_t>& shape,
                 Init init,
                 double spread) override {
    return random_.Get(name, shape, init, spread).to(machine_.options);
  }

 private:
  const Machine& machine_;
  RandomParameters random_;
};

double SecondsOf(const Machine& machine, const std::function<at::Tensor()>& work) {
  Synchronize(DeviceOf(machine));
  const auto start = std::chrono::steady_clock::now();
  benchmark::DoNotOptimize(work());
  Synchronize(DeviceOf(machine));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double BestOf(const Machine& machine, int times, const std::function<at::Tensor()>& work) {
  double best = SecondsOf(machine, work);
  for (int i = 1; i < times; ++i) best = std::min(best, SecondsOf(machine, work));
  return best;
}

// Floating-point operations per second of a matrix product, right now.
double Peak(const Machine& machine) {
  const auto n = static_cast<double>(machine.peak_side);
  const at::Tensor a = at::randn({machine.peak_side, machine.peak_side}, machine.options);
  return 2 * n * n * n / BestOf(machine, 3, [&] { return at::matmul(a, a); });
}

// Of a block over N tokens: 4 projections, a feed-forward of 4 times the width, attention over
// groups of `length`; with text, two more projections and attention over kText tokens.
double BlockOperations(int64_t tokens, int64_t length, bool text) {
  const double n = static_cast<double>(tokens);
  const double per_token =
      (24.0 + (text ? 4 : 0)) * kD * kD + 4.0 * length * kD + (text ? 4.0 * kText * kD : 0);
  return n * per_token + (text ? 4.0 * kText * kD * kD : 0);
}

void ReportBlock(benchmark::State& state,
                 const Machine& machine,
                 double operations,
                 const std::function<at::Tensor()>& block) {
  const double peak = Peak(machine);
  double seconds = 0;
  SecondsOf(machine, block);  // the first call loads kernels
  for (auto _ : state) {
    const double s = SecondsOf(machine, block);
    seconds += s;
    state.SetIterationTime(s);
  }
  const double rate = operations * static_cast<double>(state.iterations()) / seconds;
  state.counters["GFLOPS"] = rate / 1e9;
  state.counters["peak_GFLOPS"] = peak / 1e9;
  state.counters["share_of_peak"] = rate / peak;
}

at::Tensor Tokens(const Machine& machine, bool temporal) {
  return at::randn({1,
                    temporal ? 16 : machine.frames,
                    temporal ? machine.places : machine.side * machine.side,
                    kD},
                   machine.options);
}

void LatteBlock(benchmark::State& state, bool gpu, bool temporal) {
  const at::NoGradGuard no_grad;
  const Machine machine = MachineOf(gpu);
  MachineParameters source(machine);
  const LatteT2VBlock block(&source, "block", {}, temporal);
  const at::Tensor x = Tokens(machine, temporal);
  const at::Tensor text = at::randn({1, kText, kD}, machine.options);
  const at::Tensor t = at::randn({1, 6 * kD}, machine.options);
  const int64_t tokens = x.size(1) * x.size(2);
  ReportBlock(state, machine, BlockOperations(tokens, temporal ? 16 : x.size(2), !temporal), [&] {
    return block(x, text, t, AttentionKernel::kFused);
  });
}

void OpenSoraBlock(benchmark::State& state, bool gpu, bool temporal) {
  const at::NoGradGuard no_grad;
  const Machine machine = MachineOf(gpu);
  MachineParameters source(machine);
  const StDiT3Block block(&source, "block", kD, 16, 4.0, temporal);
  const at::Tensor x = Tokens(machine, temporal);
  const at::Tensor text = at::randn({1, kText, kD}, machine.options);
  const BlockModulation modulation = block.Modulation(at::randn({1, 6 * kD}, machine.options));
  const RopeTable rope = MakeRopeTable(RopeFreqs(kD / 16).to(machine.options), x.size(1));
  const int64_t tokens = x.size(1) * x.size(2);
  ReportBlock(state, machine, BlockOperations(tokens, temporal ? 16 : x.size(2), true), [&] {
    return block(x, text, modulation, rope, AttentionKernel::kFused);
  });
}

// A model of the full width and one pair of blocks; calls of the whole depth are reckoned from it.
struct OnePair {
  Machine machine;
  LatteT2VConfig config;
  std::unique_ptr<LatteT2V> model;
  std::unique_ptr<LatteRun> run;
  at::Tensor latent;

  explicit OnePair(bool gpu) : machine(MachineOf(gpu)) {
    config.num_layers = 1;
    config.video_length = machine.frames;
    MachineParameters source(machine);
    model = std::make_unique<LatteT2V>(&source, config);
    const std::vector<int64_t> shape = {
        1, 4, config.video_length, 2 * machine.side, 2 * machine.side};
    const at::Tensor text = at::randn({2, kText, config.caption_channels}, machine.options);
    run = std::make_unique<LatteRun>(*model, text, std::vector<double>{500}, 7.5, shape);
    latent = at::randn(shape, machine.options);
  }

  at::Tensor Finish(const std::vector<at::Tensor>& streams) const {
    return run->Guide({run->Head(0, 0, streams, latent)});
  }
  at::Tensor Computed() const {
    return Finish(run->Blocks(0, 0, run->Embed(0, 0, latent, false).streams));
  }
  at::Tensor Skipped(const at::Tensor& residual) const {
    return Finish({run->Embed(0, 0, latent, true).streams[0] + residual});
  }
  // Seconds of an uncached call of kLayers pairs.
  double WholeCall() const {
    const double computed = BestOf(machine, 2, [&] { return Computed(); });
    const double outside =
        BestOf(machine, 2, [&] { return Finish(run->Embed(0, 0, latent, false).streams); });
    return outside + kLayers * (computed - outside);
  }
};

// What TeaCache adds to a computed call: the signal, its change, the residual.
void Bookkeeping(benchmark::State& state, bool gpu, TeaCacheMode mode) {
  const at::NoGradGuard no_grad;
  const OnePair pair(gpu);
  const at::Tensor before = pair.run->Embed(0, 0, pair.latent, true).modulated;
  const double plain =
      BestOf(pair.machine, 2, [&] { return pair.run->Embed(0, 0, pair.latent, false).streams[0]; });
  double added = 0;
  for (auto _ : state) {
    const double s = SecondsOf(pair.machine, [&] {
      const DenoisingRun::Embedding embedding = pair.run->Embed(0, 0, pair.latent, true);
      benchmark::DoNotOptimize(mode == TeaCacheMode::kStrict
                                   ? MeasureL1(embedding.modulated, before).Ratio()
                                   : ReferenceRelativeL1(embedding.modulated, before));
      return embedding.modulated - embedding.streams[0];  // as large as the residual
    });
    added += s - plain;
    state.SetIterationTime(s);
  }
  added /= static_cast<double>(state.iterations());
  state.counters["added_ms"] = added * 1e3;
  state.counters["share_of_uncached_call"] = added / pair.WholeCall();
}

// What a skipped call gets instead of its blocks: an addition for order 0, a weighted sum for
// others.
void ForecastOfACall(benchmark::State& state, bool gpu, int order) {
  const at::NoGradGuard no_grad;
  const OnePair pair(gpu);
  const at::Tensor input = pair.run->Embed(0, 0, pair.latent, false).streams[0];
  Forecast forecast(order);
  for (int i = 0; i <= order; ++i) forecast.Add(1000 - 100 * i, {at::randn_like(input)});
  double seconds = 0;
  for (auto _ : state) {
    const double s = SecondsOf(pair.machine, [&] { return forecast.Apply(500, {input}).front(); });
    seconds += s;
    state.SetIterationTime(s);
  }
  seconds /= static_cast<double>(state.iterations());
  state.counters["share_of_uncached_call"] = seconds / pair.WholeCall();
}

void SkippedCall(benchmark::State& state, bool gpu) {
  const at::NoGradGuard no_grad;
  const OnePair pair(gpu);
  const at::Tensor residual = pair.run->Embed(0, 0, pair.latent, true).modulated;
  double seconds = 0;
  for (auto _ : state) {
    const double s = SecondsOf(pair.machine, [&] { return pair.Skipped(residual); });
    seconds += s;
    state.SetIterationTime(s);
  }
  seconds /= static_cast<double>(state.iterations());
  state.counters["share_of_uncached_call"] = seconds / pair.WholeCall();
}

void Register(bool gpu) {
  const std::string where = gpu ? "/gpu" : "/cpu";
  const auto add = [&](const std::string& name, const auto& run) {
    benchmark::RegisterBenchmark((name + where).c_str(), run)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->Iterations(gpu && !kSmall ? 20 : 2);
  };
  for (const bool temporal : {false, true}) {
    const std::string kind = temporal ? "Temporal" : "Spatial";
    add("Latte" + kind + "Block",
        [=](benchmark::State& state) { LatteBlock(state, gpu, temporal); });
    add("OpenSora" + kind + "Block",
        [=](benchmark::State& state) { OpenSoraBlock(state, gpu, temporal); });
  }
  for (const TeaCacheMode mode : {TeaCacheMode::kStrict, TeaCacheMode::kReference}) {
    add("Bookkeeping/" + std::string(NameOf(kTeaCacheModes, mode)),
        [=](benchmark::State& state) { Bookkeeping(state, gpu, mode); });
  }
  for (const int order : {0, 1, 2}) {
    add("Forecast/" + std::to_string(order),
        [=](benchmark::State& state) { ForecastOfACall(state, gpu, order); });
  }
  add("SkippedCall", [=](benchmark::State& state) { SkippedCall(state, gpu); });
}

const bool kRegistered = [] {
  if (!kSmall) Register(/*gpu=*/false);
  if (at::hasCUDA()) Register(/*gpu=*/true);
  return true;
}();

}  // namespace
}  // namespace teacache
