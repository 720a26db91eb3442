// metrics/gpu/frame_kernels.h on the devices of tests/support/fake_cuda.h: the same code that a GPU
// runs (metrics/gpu/frame_kernels.cuh) behind the same launches (metrics/gpu/frame_launch.h), block
// by block, phase by phase, thread by thread. Linked instead of the kernels.
#include <cstring>
#include <memory>
#include <vector>

#include "metrics/gpu/frame_kernels.cuh"
#include "metrics/gpu/frame_kernels.h"
#include "metrics/gpu/frame_launch.h"
#include "tests/support/fake_cuda.h"

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

class EmulatedLauncher {
 public:
  explicit EmulatedLauncher(at::Device /*device*/) {}

  void SquaredErrors(const LaunchGrid& grid, const PicturePairs& task, int64_t* partials) const {
    ForEachBlock(grid, [&](int block, int pair) {
      std::vector<int64_t> sums(kBlockThreads, -1);
      SquaredErrorBlock(
          OnHost(task), block, grid.blocks, pair, sums.data(), HostAddress(partials), threads_);
    });
  }

  void Ssim(const LaunchGrid& grid, const PicturePairs& task, int across, double* partials) const {
    const auto shared = std::make_unique<SsimShared>();
    ForEachBlock(grid, [&](int block, int pair) {
      std::memset(shared.get(), 0x7f, sizeof(SsimShared));  // what other blocks left
      SsimBlock(
          OnHost(task), block, across, grid.blocks, pair, *shared, HostAddress(partials), threads_);
    });
  }

  void Layer(const LaunchGrid& grid, const LayerPairs& task, double* partials) const {
    ForEachBlock(grid, [&](int block, int pair) {
      std::vector<double> sums(kBlockThreads, 1e30);
      LayerBlock(
          OnHost(task), block, grid.blocks, pair, sums.data(), HostAddress(partials), threads_);
    });
  }

  template <typename T>
  void Sum(int pairs, const T* partials, int n, T* out) const {
    for (int pair = 0; pair < pairs; ++pair) {
      std::vector<T> sums(kBlockThreads);
      PartialsBlock(HostAddress(partials), n, pair, sums.data(), HostAddress(out), threads_);
    }
  }

 private:
  template <typename Block>
  static void ForEachBlock(const LaunchGrid& grid, const Block& block) {
    for (int pair = 0; pair < grid.pairs; ++pair) {
      for (int i = 0; i < grid.blocks; ++i) block(i, pair);
    }
  }
  static PicturePairs OnHost(PicturePairs task) {
    task.pictures = HostAddress(task.pictures);
    task.pairs = HostAddress(task.pairs);
    return task;
  }
  static LayerPairs OnHost(LayerPairs task) {
    task.features = HostAddress(task.features);
    task.pairs = HostAddress(task.pairs);
    task.head = HostAddress(task.head);
    task.wy = HostAddress(task.wy);
    task.wx = HostAddress(task.wx);
    return task;
  }

  AllThreads threads_;
};

}  // namespace

at::Tensor SquaredErrorsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs) {
  return LaunchSquaredErrors<EmulatedLauncher>(pictures, pairs);
}

at::Tensor SsimDeficitsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs) {
  return LaunchSsimDeficits<EmulatedLauncher>(pictures, pairs);
}

at::Tensor LayerDistancesOnGpu(const at::Tensor& features,
                               const at::Tensor& pairs,
                               const at::Tensor& head,
                               const at::Tensor& wy,
                               const at::Tensor& wx) {
  return LaunchLayerDistances<EmulatedLauncher>(features, pairs, head, wy, wx);
}

}  // namespace teacache
