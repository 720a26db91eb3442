#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

#include "metrics/frame_kernels.cuh"
#include "metrics/frame_kernels.h"

namespace teacache {
namespace {

constexpr int kErrorsPerThread = 64;  // samples
constexpr int kPixelsPerThread = 1;   // of a layer: each has hundreds of channels

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

// Sums of [pairs, blocks] partial sums.
template <typename T>
at::Tensor SumPartials(const at::Tensor& partials, cudaStream_t stream) {
  const at::Tensor out = at::empty({partials.size(0)}, partials.options());
  PartialsKernel<T><<<static_cast<unsigned>(partials.size(0)), kBlockThreads, 0, stream>>>(
      partials.const_data_ptr<T>(), static_cast<int>(partials.size(1)), out.mutable_data_ptr<T>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

void CheckInput(const at::Tensor& tensor, const at::Tensor& pairs, at::ScalarType type) {
  TORCH_CHECK(tensor.is_cuda() && tensor.is_contiguous() && tensor.dim() == 4 &&
                  tensor.scalar_type() == type && pairs.is_cuda() && pairs.is_contiguous() &&
                  pairs.scalar_type() == at::kInt && pairs.dim() == 2 && pairs.size(1) == 2 &&
                  pairs.device() == tensor.device() && pairs.size(0) > 0 && pairs.size(0) < 65536,
              "frame kernels: unexpected input");
}

PicturePairs Pairs(const at::Tensor& pictures, const at::Tensor& pairs) {
  CheckInput(pictures, pairs, at::kByte);
  TORCH_CHECK(pictures.size(3) == 3, "frame kernels: pictures must have three channels");
  return {pictures.const_data_ptr<uint8_t>(),
          pairs.const_data_ptr<int32_t>(),
          static_cast<int>(pictures.size(2)),
          static_cast<int>(pictures.size(1))};
}

dim3 Grid(int blocks, const at::Tensor& pairs) {
  return {static_cast<unsigned>(blocks), static_cast<unsigned>(pairs.size(0)), 1};
}

}  // namespace

at::Tensor SquaredErrorsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs) {
  const c10::cuda::CUDAGuard guard(pictures.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const PicturePairs task = Pairs(pictures, pairs);
  const int blocks = BlocksFor(int64_t{3} * task.width * task.height, kErrorsPerThread);
  const at::Tensor partials =
      at::empty({pairs.size(0), blocks}, pictures.options().dtype(at::kLong));
  SquaredErrorKernel<<<Grid(blocks, pairs), kBlockThreads, 0, stream>>>(
      task, partials.mutable_data_ptr<int64_t>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return SumPartials<int64_t>(partials, stream);
}

at::Tensor SsimDeficitsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs) {
  const c10::cuda::CUDAGuard guard(pictures.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const PicturePairs task = Pairs(pictures, pairs);
  TORCH_CHECK(task.width >= kSsimTaps && task.height >= kSsimTaps,
              "frame kernels: pictures must hold one SSIM window");
  const int across = TilesAcross(task.width);
  const int tiles = across * TilesDown(task.height);
  const at::Tensor partials =
      at::empty({pairs.size(0), tiles}, pictures.options().dtype(at::kDouble));
  SsimKernel<<<Grid(tiles, pairs), kBlockThreads, 0, stream>>>(
      task, across, partials.mutable_data_ptr<double>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return SumPartials<double>(partials, stream);
}

at::Tensor LayerDistancesOnGpu(const at::Tensor& features,
                               const at::Tensor& pairs,
                               const at::Tensor& head,
                               const at::Tensor& wy,
                               const at::Tensor& wx) {
  const c10::cuda::CUDAGuard guard(features.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  CheckInput(features, pairs, at::kFloat);
  TORCH_CHECK(head.numel() == features.size(1) && wy.numel() == features.size(2) &&
                  wx.numel() == features.size(3) && head.is_contiguous() && wy.is_contiguous() &&
                  wx.is_contiguous() && head.device() == features.device() &&
                  wy.device() == features.device() && wx.device() == features.device(),
              "frame kernels: weights must fit the features");
  const LayerPairs task = {features.const_data_ptr<float>(),
                           pairs.const_data_ptr<int32_t>(),
                           head.const_data_ptr<float>(),
                           wy.const_data_ptr<double>(),
                           wx.const_data_ptr<double>(),
                           static_cast<int>(features.size(1)),
                           static_cast<int>(features.size(2)),
                           static_cast<int>(features.size(3))};
  const int blocks = BlocksFor(int64_t{task.height} * task.width, kPixelsPerThread);
  const at::Tensor partials =
      at::empty({pairs.size(0), blocks}, features.options().dtype(at::kDouble));
  LayerKernel<<<Grid(blocks, pairs), kBlockThreads, 0, stream>>>(
      task, partials.mutable_data_ptr<double>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return SumPartials<double>(partials, stream);
}

}  // namespace teacache
