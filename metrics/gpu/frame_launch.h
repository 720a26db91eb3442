// The host's side of frame_kernels.h: checks, memory and how many blocks run, for whatever runs
// them. `Launcher` is made of the tensors' device and runs blocks there, in order, all of a grid
// before those of the next (frame_kernels.cu; tests/metrics/gpu/emulated_frame_kernels.cc).
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include "metrics/gpu/frame_kernels.cuh"

namespace teacache {

// Blocks 0 ... blocks - 1 of each of `pairs` pairs.
struct LaunchGrid {
  int blocks = 0;
  int pairs = 0;
};

inline constexpr int64_t kMostPairs = 65535;  // the second dimension of a grid
inline constexpr int kErrorsPerThread = 64;   // samples
inline constexpr int kPixelsPerThread = 1;    // of a layer: each has hundreds of channels

inline void CheckFrameTensors(const at::Tensor& tensor,
                              const at::Tensor& pairs,
                              at::ScalarType type) {
  TORCH_CHECK(tensor.is_cuda() && tensor.is_contiguous() && tensor.dim() == 4 &&
                  tensor.scalar_type() == type && pairs.is_cuda() && pairs.is_contiguous() &&
                  pairs.scalar_type() == at::kInt && pairs.dim() == 2 && pairs.size(1) == 2 &&
                  pairs.device() == tensor.device() && pairs.size(0) > 0 &&
                  pairs.size(0) <= kMostPairs,
              "frame kernels: unexpected input");
}

inline PicturePairs MakePicturePairs(const at::Tensor& pictures, const at::Tensor& pairs) {
  CheckFrameTensors(pictures, pairs, at::kByte);
  TORCH_CHECK(pictures.size(3) == 3, "frame kernels: pictures must have three channels");
  return {pictures.const_data_ptr<uint8_t>(),
          pairs.const_data_ptr<int32_t>(),
          static_cast<int>(pictures.size(2)),
          static_cast<int>(pictures.size(1))};
}

// One partial sum per pair and block, of type T, on the device of `like`.
template <typename T>
at::Tensor EmptyPartials(const LaunchGrid& grid, const at::Tensor& like) {
  return at::empty({grid.pairs, grid.blocks},
                   like.options().dtype(c10::CppTypeToScalarType<T>::value));
}

template <typename T, typename Launcher>
at::Tensor SumPartials(const Launcher& launcher, const at::Tensor& partials) {
  const at::Tensor out = at::empty({partials.size(0)}, partials.options());
  launcher.Sum(static_cast<int>(partials.size(0)),
               partials.const_data_ptr<T>(),
               static_cast<int>(partials.size(1)),
               out.mutable_data_ptr<T>());
  return out;
}

template <typename Launcher>
at::Tensor LaunchSquaredErrors(const at::Tensor& pictures, const at::Tensor& pairs) {
  const PicturePairs task = MakePicturePairs(pictures, pairs);
  const Launcher launcher(pictures.device());
  const LaunchGrid grid = {BlocksFor(int64_t{3} * task.width * task.height, kErrorsPerThread),
                           static_cast<int>(pairs.size(0))};
  const at::Tensor partials = EmptyPartials<int64_t>(grid, pictures);
  launcher.SquaredErrors(grid, task, partials.mutable_data_ptr<int64_t>());
  return SumPartials<int64_t>(launcher, partials);
}

template <typename Launcher>
at::Tensor LaunchSsimDeficits(const at::Tensor& pictures, const at::Tensor& pairs) {
  const PicturePairs task = MakePicturePairs(pictures, pairs);
  TORCH_CHECK(task.width >= kSsimTaps && task.height >= kSsimTaps,
              "frame kernels: pictures must hold one SSIM window");
  const Launcher launcher(pictures.device());
  const int across = TilesAcross(task.width);
  const LaunchGrid grid = {across * TilesDown(task.height), static_cast<int>(pairs.size(0))};
  const at::Tensor partials = EmptyPartials<double>(grid, pictures);
  launcher.Ssim(grid, task, across, partials.mutable_data_ptr<double>());
  return SumPartials<double>(launcher, partials);
}

template <typename Launcher>
at::Tensor LaunchLayerDistances(const at::Tensor& features,
                                const at::Tensor& pairs,
                                const at::Tensor& head,
                                const at::Tensor& wy,
                                const at::Tensor& wx) {
  CheckFrameTensors(features, pairs, at::kFloat);
  const auto fits = [&](const at::Tensor& weights, int64_t size, at::ScalarType type) {
    return weights.numel() == size && weights.scalar_type() == type && weights.is_contiguous() &&
           weights.device() == features.device();
  };
  TORCH_CHECK(fits(head, features.size(1), at::kFloat) && fits(wy, features.size(2), at::kDouble) &&
                  fits(wx, features.size(3), at::kDouble),
              "frame kernels: weights must fit the features");
  const LayerPairs task = {features.const_data_ptr<float>(),
                           pairs.const_data_ptr<int32_t>(),
                           head.const_data_ptr<float>(),
                           wy.const_data_ptr<double>(),
                           wx.const_data_ptr<double>(),
                           static_cast<int>(features.size(1)),
                           static_cast<int>(features.size(2)),
                           static_cast<int>(features.size(3))};
  const Launcher launcher(features.device());
  const LaunchGrid grid = {BlocksFor(int64_t{task.height} * task.width, kPixelsPerThread),
                           static_cast<int>(pairs.size(0))};
  const at::Tensor partials = EmptyPartials<double>(grid, features);
  launcher.Layer(grid, task, partials.mutable_data_ptr<double>());
  return SumPartials<double>(launcher, partials);
}

}  // namespace teacache
