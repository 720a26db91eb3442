// LPIPS of one pair of RGB frames on one thread: the closed form of the spatial mean against the
// definition (maps scaled up to the picture), with the same LibTorch convolutions. Random weights
// of the real shapes: the time does not depend on their values.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "metrics/lpips/backbones.h"
#include "metrics/lpips/lpips.h"
#include "metrics/lpips/weights.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/metrics/lpips/generated_weights.h"

namespace teacache {
namespace {

std::vector<TensorView> RandomHeads() {
  std::vector<TensorView> heads;
  int layer = 0;
  for (const int64_t channels : {64, 192, 384, 256, 256}) {
    const auto values = std::make_shared<std::vector<float>>(channels, 0.05f);
    TensorView view;
    view.name = "lin" + std::to_string(layer++) + ".model.1.weight";
    view.shape = {1, channels, 1, 1};
    view.data = std::as_bytes(std::span(*values));
    view.owner = values;
    heads.push_back(view);
  }
  return heads;
}

struct Pair {
  explicit Pair(const benchmark::State& state)
      : gt(MakeFrame(Content::kNatural, int(state.range(0)), int(state.range(1)), 1)),
        gen(AddNoise(gt, 6, 2)) {}
  Frame gt, gen;
};

void Sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({512, 512})->Args({1920, 1080})->Unit(benchmark::kMillisecond);
}

void BM_LpipsAlex(benchmark::State& state) {
  at::set_num_threads(1);
  const Lpips lpips({}, RandomAlexBackbone(), RandomHeads());
  const Pair pair(state);
  const Frame* const gens[] = {&pair.gen};
  for (auto _ : state) benchmark::DoNotOptimize(lpips.Distances(pair.gt, gens));
}
BENCHMARK(BM_LpipsAlex)->Apply(Sizes);

// Several generated videos against one ground truth, whose features are computed once: two
// methods take 75 % of the time of two calls, four 63 %.
void BM_LpipsAlexMethods(benchmark::State& state) {
  at::set_num_threads(1);
  const Lpips lpips({}, RandomAlexBackbone(), RandomHeads());
  const Frame gt = MakeFrame(Content::kNatural, 512, 512, 1);
  std::vector<Frame> frames;
  for (int i = 0; i < state.range(0); ++i) frames.push_back(AddNoise(gt, 6 + i, 2 + i));
  std::vector<const Frame*> gens;
  for (const Frame& frame : frames) gens.push_back(&frame);
  for (auto _ : state) benchmark::DoNotOptimize(lpips.Distances(gt, gens));
}
BENCHMARK(BM_LpipsAlexMethods)->Arg(1)->Arg(2)->Arg(4)->Unit(benchmark::kMillisecond);

// As the reference program computes it: one forward pass per picture, normalised features,
// differences, and maps scaled up.
void BM_LpipsAlexByDefinition(benchmark::State& state) {
  at::set_num_threads(1);
  LpipsWeights weights =
      ReadLpipsWeights(LpipsNet::kAlex, RandomAlexBackbone(), RandomHeads(), "random", at::kFloat);
  for (auto& item : weights.features) item.second = item.second.contiguous();
  const Pair pair(state);
  const Frame* const gt[] = {&pair.gt};
  const Frame* const gen[] = {&pair.gen};
  const auto normalize = [](const at::Tensor& f) {
    return f / (f.square().sum(1, true).sqrt() + 1e-10);
  };
  for (auto _ : state) {
    const auto a = LpipsFeatures(LpipsNet::kAlex, weights, LpipsInput(gt, at::kFloat).contiguous());
    const auto b =
        LpipsFeatures(LpipsNet::kAlex, weights, LpipsInput(gen, at::kFloat).contiguous());
    double sum = 0;
    for (size_t layer = 0; layer < a.size(); ++layer) {
      const at::Tensor difference = (normalize(a[layer]) - normalize(b[layer])).square();
      const at::Tensor map =
          at::conv2d(difference, weights.heads[layer].view({1, difference.size(1), 1, 1}));
      sum += at::upsample_bilinear2d(map, {pair.gt.height, pair.gt.width}, false)
                 .mean()
                 .item<double>();
    }
    benchmark::DoNotOptimize(sum);
  }
}
BENCHMARK(BM_LpipsAlexByDefinition)->Apply(Sizes);

}  // namespace
}  // namespace teacache
