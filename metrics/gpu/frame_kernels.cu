#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "metrics/gpu/frame_kernels.cuh"
#include "metrics/gpu/frame_kernels.h"
#include "metrics/gpu/frame_launch.h"

namespace teacache {
namespace {

// The threads of a block on the device.
struct DeviceThreads {
  template <typename Phase>
  __device__ void operator()(const Phase& phase) const {
    phase(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
};

__global__ void __launch_bounds__(kBlockThreads)
    SquaredErrorKernel(PicturePairs task, int64_t* partials) {
  __shared__ int64_t sums[kBlockThreads];
  SquaredErrorBlock(task,
                    static_cast<int>(blockIdx.x),
                    static_cast<int>(gridDim.x),
                    static_cast<int>(blockIdx.y),
                    sums,
                    partials,
                    DeviceThreads());
}

__global__ void __launch_bounds__(kBlockThreads)
    SsimKernel(PicturePairs task, int tiles_across, double* partials) {
  __shared__ SsimShared shared;
  SsimBlock(task,
            static_cast<int>(blockIdx.x),
            tiles_across,
            static_cast<int>(gridDim.x),
            static_cast<int>(blockIdx.y),
            shared,
            partials,
            DeviceThreads());
}

__global__ void __launch_bounds__(kBlockThreads) LayerKernel(LayerPairs task, double* partials) {
  __shared__ double sums[kBlockThreads];
  LayerBlock(task,
             static_cast<int>(blockIdx.x),
             static_cast<int>(gridDim.x),
             static_cast<int>(blockIdx.y),
             sums,
             partials,
             DeviceThreads());
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads) PartialsKernel(const T* partials, int n, T* out) {
  __shared__ T sums[kBlockThreads];
  PartialsBlock(partials, n, static_cast<int>(blockIdx.x), sums, out, DeviceThreads());
}

// Runs kernels on the current stream of a device, which is LibTorch's too.
class CudaLauncher {
 public:
  explicit CudaLauncher(at::Device device)
      : guard_(device), stream_(c10::cuda::getCurrentCUDAStream(device.index())) {}

  void SquaredErrors(const LaunchGrid& grid, const PicturePairs& task, int64_t* partials) const {
    SquaredErrorKernel<<<Grid(grid), kBlockThreads, 0, stream_>>>(task, partials);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  void Ssim(const LaunchGrid& grid, const PicturePairs& task, int across, double* partials) const {
    SsimKernel<<<Grid(grid), kBlockThreads, 0, stream_>>>(task, across, partials);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  void Layer(const LaunchGrid& grid, const LayerPairs& task, double* partials) const {
    LayerKernel<<<Grid(grid), kBlockThreads, 0, stream_>>>(task, partials);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  template <typename T>
  void Sum(int pairs, const T* partials, int n, T* out) const {
    PartialsKernel<T>
        <<<static_cast<unsigned>(pairs), kBlockThreads, 0, stream_>>>(partials, n, out);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }

 private:
  static dim3 Grid(const LaunchGrid& grid) {
    return {static_cast<unsigned>(grid.blocks), static_cast<unsigned>(grid.pairs), 1};
  }

  c10::cuda::CUDAGuard guard_;
  cudaStream_t stream_;
};

}  // namespace

at::Tensor SquaredErrorsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs) {
  return LaunchSquaredErrors<CudaLauncher>(pictures, pairs);
}

at::Tensor SsimDeficitsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs) {
  return LaunchSsimDeficits<CudaLauncher>(pictures, pairs);
}

at::Tensor LayerDistancesOnGpu(const at::Tensor& features,
                               const at::Tensor& pairs,
                               const at::Tensor& head,
                               const at::Tensor& wy,
                               const at::Tensor& wx) {
  return LaunchLayerDistances<CudaLauncher>(features, pairs, head, wy, wx);
}

}  // namespace teacache
