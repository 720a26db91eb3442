// PSNR and SSIM of one pair of RGB frames on one thread, the fast implementations against the plain
// ones in double precision. Counters: megapixels per second.
#include <benchmark/benchmark.h>
#include <hwy/targets.h>

#include "metrics/frames/psnr.h"
#include "metrics/frames/ssim.h"
#include "tests/metrics/frames/plain_metrics.h"

namespace teacache {
namespace {

struct Pair {
  Frame gt, gen;
};

Pair MakePair(const benchmark::State& state) {
  const Frame gt = MakeFrame(Content::kNatural, int(state.range(0)), int(state.range(1)), 1);
  return {gt, AddNoise(gt, 6, 2)};
}

void CountPixels(benchmark::State& state) {
  state.counters["Mpixel/s"] = benchmark::Counter(1e-6 * double(state.range(0) * state.range(1)),
                                                  benchmark::Counter::kIsIterationInvariantRate);
}

void Sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({512, 512})->Args({1920, 1080})->Unit(benchmark::kMillisecond);
}

// Several pairs in turn, so that frames come from memory as they do after decoding.
void BM_Psnr(benchmark::State& state) {
  const Pair pair = MakePair(state);
  const std::vector<Pair> pairs(16, pair);
  size_t i = 0;
  for (auto _ : state) {
    const Pair& p = pairs[i++ % pairs.size()];
    benchmark::DoNotOptimize(Psnr(p.gt, p.gen));
  }
  CountPixels(state);
}
BENCHMARK(BM_Psnr)->Apply(Sizes);

void BM_PsnrPlainDouble(benchmark::State& state) {
  const Pair pair = MakePair(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(PlainMse(ToPlanes(pair.gt, false), ToPlanes(pair.gen, false)));
  }
  CountPixels(state);
}
BENCHMARK(BM_PsnrPlainDouble)->Apply(Sizes);

void BM_Ssim(benchmark::State& state) {
  const Pair pair = MakePair(state);
  for (auto _ : state) benchmark::DoNotOptimize(Ssim(pair.gt, pair.gen));
  CountPixels(state);
}
BENCHMARK(BM_Ssim)->Apply(Sizes);

// The same with AVX2 at most, as on machines without AVX-512.
void BM_SsimAvx2(benchmark::State& state) {
  if ((hwy::SupportedTargets() & HWY_AVX2) == 0) {
    state.SkipWithError("this machine has no AVX2");
    return;
  }
  const Pair pair = MakePair(state);
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
  for (auto _ : state) benchmark::DoNotOptimize(Ssim(pair.gt, pair.gen));
  hwy::SetSupportedTargetsForTest(0);
  CountPixels(state);
}
BENCHMARK(BM_SsimAvx2)->Apply(Sizes);

void BM_SsimPlainDouble(benchmark::State& state) {
  const Pair pair = MakePair(state);
  const Planes gt = ToPlanes(pair.gt, false), gen = ToPlanes(pair.gen, false);
  for (auto _ : state) benchmark::DoNotOptimize(PlainSsim(gt, gen));
  CountPixels(state);
}
BENCHMARK(BM_SsimPlainDouble)->Apply(Sizes);

void BM_SsimVariant(benchmark::State& state, const char* name) {
  const Pair pair = MakePair(state);
  const SsimVariant variant = ParseSsimVariant(name);
  for (auto _ : state) benchmark::DoNotOptimize(Ssim(pair.gt, pair.gen, variant));
  CountPixels(state);
}
BENCHMARK_CAPTURE(BM_SsimVariant, skimage7, "skimage7")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_SsimVariant, ffmpeg, "ffmpeg")->Apply(Sizes);

}  // namespace
}  // namespace teacache
