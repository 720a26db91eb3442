// PSNR, SSIM and LPIPS of batches of frames on a GPU, per pair: the kernels alone, and everything
// from frames in the computer's memory to numbers. Skipped where there is no GPU. Links LibTorch,
// CUDA and Google Benchmark only.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <benchmark/benchmark.h>

#include <memory>

#include "metrics/gpu/frame_kernels.h"
#include "metrics/gpu/gpu_scorer.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/metrics/gpu/gpu_inputs.h"

namespace teacache {
namespace {

constexpr int kPairs = 8;

bool NoGpu(benchmark::State& state) {
  if (at::hasCUDA()) return false;
  state.SkipWithError("needs a GPU, and a build with CUDA (preset cuda)");
  return true;
}

void Sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({512, 512})->Args({1920, 1080})->Unit(benchmark::kMillisecond)->UseRealTime();
}

std::vector<Frame> MakeFrames(const benchmark::State& state) {
  std::vector<Frame> frames;
  const int width = static_cast<int>(state.range(0)), height = static_cast<int>(state.range(1));
  const Frame gt = MakeFrame(Content::kNatural, width, height, 1);
  for (uint32_t i = 0; i < kPairs; ++i) {
    frames.push_back(gt);
    frames.push_back(AddNoise(gt, 6, i));
  }
  return frames;
}

at::Tensor Pairs() { return at::arange(2 * kPairs, at::kInt).view({kPairs, 2}).to(at::kCUDA); }

void Wait() { at::detail::getCUDAHooks().deviceSynchronize(/*device_index=*/0); }

// Waits for the GPU, so that the time is that of the work and not of queueing it.
template <typename Work>
void Time(benchmark::State& state, const Work& work) {
  work();
  Wait();
  for (auto _ : state) {
    work();
    Wait();
  }
  state.counters["ms/pair"] = benchmark::Counter(
      1e-3 * kPairs, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void BM_PsnrKernel(benchmark::State& state) {
  if (NoGpu(state)) return;
  const at::Tensor pictures = ToPictures(MakeFrames(state)).to(at::kCUDA), pairs = Pairs();
  Time(state, [&] { benchmark::DoNotOptimize(SquaredErrorsOnGpu(pictures, pairs)); });
}
BENCHMARK(BM_PsnrKernel)->Apply(Sizes);

void BM_SsimKernel(benchmark::State& state) {
  if (NoGpu(state)) return;
  const at::Tensor pictures = ToPictures(MakeFrames(state)).to(at::kCUDA), pairs = Pairs();
  Time(state, [&] { benchmark::DoNotOptimize(SsimDeficitsOnGpu(pictures, pairs)); });
}
BENCHMARK(BM_SsimKernel)->Apply(Sizes);

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
  const std::vector<Frame> frames = MakeFrames(state);
  std::vector<FrameGroup> groups;
  for (size_t i = 0; i < frames.size(); i += 2) groups.push_back({frames[i], {frames[i + 1]}});
  GpuScorerOptions options;
  options.lpips = LpipsNet::kAlex;
  options.weights = RandomWeights(LpipsNet::kAlex, at::kFloat);
  options.tf32 = tf32;
  const GpuFrameScorer scorer(at::Device("cuda:0"), options);
  Metrics metrics = {std::make_shared<Named>("ssim")};
  if (lpips) metrics.push_back(std::make_shared<Named>("lpips"));
  Time(state, [&] { benchmark::DoNotOptimize(scorer.Score(groups, metrics)); });
}

void BM_PsnrSsim(benchmark::State& state) { Score(state, /*lpips=*/false, /*tf32=*/false); }
BENCHMARK(BM_PsnrSsim)->Apply(Sizes);

void BM_PsnrSsimLpips(benchmark::State& state) { Score(state, /*lpips=*/true, /*tf32=*/false); }
BENCHMARK(BM_PsnrSsimLpips)->Apply(Sizes);

void BM_PsnrSsimLpipsTf32(benchmark::State& state) { Score(state, /*lpips=*/true, /*tf32=*/true); }
BENCHMARK(BM_PsnrSsimLpipsTf32)->Apply(Sizes);

}  // namespace
}  // namespace teacache
