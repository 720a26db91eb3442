#pragma once

#include <ATen/core/Tensor.h>

namespace teacache {

// What GpuFrameScorer lets CUDA kernels do. Tensors lie on one CUDA device and are contiguous; the
// work is queued on its current stream. Sums run in a fixed order: the same input gives the same
// digits. Where there is no CUDA compiler these throw UserError (frame_kernels_nocuda.cc).
//
//   pictures  uint8 [N, height, width, 3], RGB
//   pairs     int32 [P, 2], two indices into the first dimension of `pictures` or `features` each

// Sums of squared differences, int64 [P]: exact.
at::Tensor SquaredErrorsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs);

// Sums of 1 - SSIM over all windows of all channels (kWangRgb of ssim.h), double [P]. Float32
// moments about each window's centre: within 1e-7 of the formula in double. Pictures of 11x11 or
// larger.
at::Tensor SsimDeficitsOnGpu(const at::Tensor& pictures, const at::Tensor& pairs);

// Of one layer of LPIPS, double [P]:
//   sum_yx wy[y] wx[x] sum_c head[c] (a / (|a| + 1e-10) - b / (|b| + 1e-10))^2
// features: float32 [N, C, h, w]; head: float32 [C]; wy, wx: double [h], [w].
at::Tensor LayerDistancesOnGpu(const at::Tensor& features,
                               const at::Tensor& pairs,
                               const at::Tensor& head,
                               const at::Tensor& wy,
                               const at::Tensor& wx);

}  // namespace teacache
