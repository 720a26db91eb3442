// PSNR, SSIM and LPIPS of batches of frames on a GPU, per pair: the kernels alone on frames that
// are on the device already, and everything from frames in the computer's memory to numbers.
// Skipped where there is no GPU. With TEACACHE_BENCHMARK_SMALL=1 the frames are tiny: for emulated
// devices, where no time means anything. Links LibTorch, CUDA and Google Benchmark only.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include <cstdlib>
#include <memory>

#include "metrics/gpu/frame_kernels.h"
#include "metrics/gpu/gpu_scorer.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/metrics/gpu/gpu_inputs.h"

namespace teacache {
namespace {

const bool kSmall = std::getenv("TEACACHE_BENCHMARK_SMALL") != nullptr;
const int kPairs = kSmall ? 2 : 8;

bool NoGpu(benchmark::State& state) {
  if (at::hasCUDA()) return false;
  state.SkipWithError("needs a GPU, and a build with CUDA (preset cuda)");
  return true;
}

void Sizes(benchmark::internal::Benchmark* bench) {
  if (kSmall) {
    bench->Args({64, 48});
  } else {
    bench->Args({512, 512})->Args({1920, 1080});
  }
  bench->Unit(benchmark::kMillisecond)->UseRealTime();
}

std::vector<Frame> MakeFrames(const benchmark::State& state, int pairs) {
  std::vector<Frame> frames;
  const int width = static_cast<int>(state.range(0)), height = static_cast<int>(state.range(1));
  const Frame gt = MakeFrame(Content::kNatural, width, height, 1);
  for (int i = 0; i < pairs; ++i) {
    frames.push_back(gt);
    frames.push_back(AddNoise(gt, 6, static_cast<uint32_t>(i)));
  }
  return frames;
}

at::Tensor Pairs(int64_t count) {
  return at::arange(2 * count, at::kInt).view({count, 2}).to(at::kCUDA);
}

void Wait() { at::detail::getCUDAHooks().deviceSynchronize(/*device_index=*/0); }

// Waits for the GPU, so that the time is that of the work and not of queueing it; `calls` in a row,
// so that the waiting itself is a small share.
template <typename Work>
void Time(benchmark::State& state, int64_t pairs, int calls, const Work& work) {
  work();
  Wait();
  for (auto _ : state) {
    for (int i = 0; i < calls; ++i) work();
    Wait();
  }
  state.counters["ms_per_pair"] = benchmark::Counter(
      1e-3 * static_cast<double>(pairs * calls),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// Frames on the device, more than its cache holds (a cache would answer for its memory). The bytes
// are the fewest possible: every sample once.
template <typename Kernel>
void TimeKernel(benchmark::State& state, const Kernel& kernel) {
  if (NoGpu(state)) return;
  const int64_t frame = 3 * state.range(0) * state.range(1);
  const int64_t pairs = kSmall ? 2 : (int64_t{400} << 20) / (2 * frame);
  const at::Tensor pair = ToPictures(MakeFrames(state, 1)).to(at::kCUDA);
  const at::Tensor pictures = pair.repeat({pairs, 1, 1, 1}), all = Pairs(pairs);
  const int calls = kSmall ? 1 : 10;
  Time(state, pairs, calls, [&] { benchmark::DoNotOptimize(kernel(pictures, all)); });
  state.counters["gb_per_s"] =
      benchmark::Counter(1e-9 * static_cast<double>(2 * frame * pairs * calls),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void BM_PsnrKernel(benchmark::State& state) { TimeKernel(state, SquaredErrorsOnGpu); }
BENCHMARK(BM_PsnrKernel)->Apply(Sizes);

void BM_SsimKernel(benchmark::State& state) { TimeKernel(state, SsimDeficitsOnGpu); }
BENCHMARK(BM_SsimKernel)->Apply(Sizes);

LpipsWeights OnGpu(LpipsWeights weights) {
  for (auto& item : weights.features) item.second = item.second.to(at::kCUDA);
  for (at::Tensor& head : weights.heads) head = head.to(at::kCUDA);
  return weights;
}

// The network and the distances, as GpuFrameScorer calls them, of frames on the device.
void LpipsOnDevice(benchmark::State& state, bool tf32) {
  if (NoGpu(state)) return;
  const at::NoGradGuard no_grad;
  at::globalContext().setAllowTF32CuDNN(tf32);
  const LpipsNet net = LpipsNet::kAlex;
  const LpipsWeights weights = OnGpu(RandomWeights(net, at::kFloat));
  const at::Tensor pictures = ToPictures(MakeFrames(state, kPairs)).to(at::kCUDA);
  const at::Tensor pairs = Pairs(kPairs);
  std::vector<std::pair<at::Tensor, at::Tensor>> means;  // of every layer's rows and columns
  for (const at::Tensor& f : LpipsFeatures(net, weights, LpipsInput(pictures))) {
    const auto mean = [](int64_t n) {
      return at::full({n}, 1 / static_cast<double>(n), at::kDouble).to(at::kCUDA);
    };
    means.emplace_back(mean(f.size(2)), mean(f.size(3)));
  }
  Time(state, kPairs, /*calls=*/1, [&] {
    const auto features = LpipsFeatures(net, weights, LpipsInput(pictures));
    at::Tensor sum;
    for (size_t layer = 0; layer < features.size(); ++layer) {
      const at::Tensor distance = LayerDistancesOnGpu(features[layer].contiguous(),
                                                      pairs,
                                                      weights.heads[layer],
                                                      means[layer].first,
                                                      means[layer].second);
      sum = sum.defined() ? sum + distance : distance;
    }
    benchmark::DoNotOptimize(sum);
  });
}

void BM_Lpips(benchmark::State& state) { LpipsOnDevice(state, /*tf32=*/false); }
BENCHMARK(BM_Lpips)->Apply(Sizes);

void BM_LpipsTf32(benchmark::State& state) { LpipsOnDevice(state, /*tf32=*/true); }
BENCHMARK(BM_LpipsTf32)->Apply(Sizes);

// Stands for a metric that has a kernel: only asked what it is.
class Named : public Metric {
 public:
  explicit Named(std::string kernel) : Metric({.name = kernel}), kernel_(std::move(kernel)) {}
  std::vector<double> Score(std::span<const FramePair>) const override { return {}; }
  std::string_view Kernel() const override { return kernel_; }

 private:
  std::string kernel_;
};

void Score(benchmark::State& state, bool lpips, bool tf32) {
  if (NoGpu(state)) return;
  const std::vector<Frame> frames = MakeFrames(state, kPairs);
  std::vector<FrameGroup> groups;
  for (size_t i = 0; i < frames.size(); i += 2) groups.push_back({frames[i], {frames[i + 1]}});
  GpuScorerOptions options;
  options.lpips = LpipsNet::kAlex;
  options.weights = RandomWeights(LpipsNet::kAlex, at::kFloat);
  options.tf32 = tf32;
  const GpuFrameScorer scorer(at::Device("cuda:0"), options);
  Metrics metrics = {std::make_shared<Named>("ssim")};
  if (lpips) metrics.push_back(std::make_shared<Named>("lpips"));
  Time(
      state, kPairs, /*calls=*/1, [&] { benchmark::DoNotOptimize(scorer.Score(groups, metrics)); });
}

void BM_PsnrSsim(benchmark::State& state) { Score(state, /*lpips=*/false, /*tf32=*/false); }
BENCHMARK(BM_PsnrSsim)->Apply(Sizes);

void BM_PsnrSsimLpips(benchmark::State& state) { Score(state, /*lpips=*/true, /*tf32=*/false); }
BENCHMARK(BM_PsnrSsimLpips)->Apply(Sizes);

void BM_PsnrSsimLpipsTf32(benchmark::State& state) { Score(state, /*lpips=*/true, /*tf32=*/true); }
BENCHMARK(BM_PsnrSsimLpipsTf32)->Apply(Sizes);

}  // namespace
}  // namespace teacache
