// metrics/frame_kernels.h on the CPU: the same code that the GPU runs (metrics/frame_kernels.cuh),
// block by block, phase by phase, thread by thread. Linked instead of the kernels.
#include <ATen/ATen.h>

#include <cstring>
#include <memory>
#include <vector>

#include "metrics/frame_kernels.cuh"
#include "metrics/frame_kernels.h"

namespace teacache {
namespace {

// All threads of a block, every other phase from the last to the first: what a thread reads of
// another one's work of the same phase would differ.
class AllThreads {
 public:
  template <typename Phase>
  void operator()(const Phase& phase) const {
    for (int i = 0; i < kBlockThreads; ++i) phase(backward_ ? kBlockThreads - 1 - i : i);
    backward_ = !backward_;
  }

 private:
  mutable bool backward_ = false;
};

template <typename T>
at::Tensor SumPartials(const at::Tensor& partials) {
  const at::Tensor out = at::empty({partials.size(0)}, partials.options());
  const AllThreads threads;
  for (int pair = 0; pair < partials.size(0); ++pair) {
    std::vector<T> sums(kBlockThreads);
    PartialsBlock(partials.const_data_ptr<T>(),
                  static_cast<int>(partials.size(1)),
                  pair,
                  sums.data(),
                  out.mutable_data_ptr<T>(),
                  threads);
  }
  return out;
}

PicturePairs Task(const at::Tensor& pictures, const at::Tensor& pairs) {
  return {pictures.const_data_ptr<uint8_t>(),
          pairs.const_data_ptr<int32_t>(),
          static_cast<int>(pictures.size(2)),
          static_cast<int>(pictures.size(1))};
}

// Nothing of it is ever read unless a block wrote it before.
at::Tensor Partials(const at::Tensor& pairs, int blocks, at::ScalarType type) {
  return type == at::kLong ? at::full({pairs.size(0), blocks}, int64_t{1} << 60, type)
                           : at::full({pairs.size(0), blocks}, 1e30, type);
}

}  // namespace

at::Tensor SquaredErrorsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs) {
  constexpr int kBlocks = 3;
  const PicturePairs task = Task(pictures, pairs);
  const at::Tensor partials = Partials(pairs, kBlocks, at::kLong);
  const AllThreads threads;
  for (int pair = 0; pair < pairs.size(0); ++pair) {
    for (int block = 0; block < kBlocks; ++block) {
      std::vector<int64_t> sums(kBlockThreads, -1);
      SquaredErrorBlock(
          task, block, kBlocks, pair, sums.data(), partials.mutable_data_ptr<int64_t>(), threads);
    }
  }
  return SumPartials<int64_t>(partials);
}

at::Tensor SsimDeficitsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs) {
  const PicturePairs task = Task(pictures, pairs);
  const int across = TilesAcross(task.width);
  const int tiles = across * TilesDown(task.height);
  const at::Tensor partials = Partials(pairs, tiles, at::kDouble);
  const AllThreads threads;
  const auto shared = std::make_unique<SsimShared>();
  for (int pair = 0; pair < pairs.size(0); ++pair) {
    for (int tile = 0; tile < tiles; ++tile) {
      std::memset(shared.get(), 0x7f, sizeof(SsimShared));  // what other blocks left
      SsimBlock(
          task, tile, across, tiles, pair, *shared, partials.mutable_data_ptr<double>(), threads);
    }
  }
  return SumPartials<double>(partials);
}

at::Tensor LayerDistancesOnGpu(const at::Tensor& features,
                               const at::Tensor& pairs,
                               const at::Tensor& head,
                               const at::Tensor& wy,
                               const at::Tensor& wx) {
  const LayerPairs task = {features.const_data_ptr<float>(),
                           pairs.const_data_ptr<int32_t>(),
                           head.const_data_ptr<float>(),
                           wy.const_data_ptr<double>(),
                           wx.const_data_ptr<double>(),
                           static_cast<int>(features.size(1)),
                           static_cast<int>(features.size(2)),
                           static_cast<int>(features.size(3))};
  const int blocks = BlocksFor(int64_t{task.height} * task.width, 1);
  const at::Tensor partials = Partials(pairs, blocks, at::kDouble);
  const AllThreads threads;
  for (int pair = 0; pair < pairs.size(0); ++pair) {
    for (int block = 0; block < blocks; ++block) {
      std::vector<double> sums(kBlockThreads, 1e30);
      LayerBlock(
          task, block, blocks, pair, sums.data(), partials.mutable_data_ptr<double>(), threads);
    }
  }
  return SumPartials<double>(partials);
}

}  // namespace teacache
