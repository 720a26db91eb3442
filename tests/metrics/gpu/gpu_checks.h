#pragma once

#include <ATen/core/Tensor.h>

namespace teacache {

// What holds of the kernels and of GpuFrameScorer on a GPU, and, with the emulated kernels, on the
// CPU. Only LibTorch is needed. Failures are GoogleTest's.

void CheckSquaredErrors(at::Device device);
void CheckSsim(at::Device device);
void CheckLayerDistances(at::Device device);
// More samples than the threads of the largest grid, and more partial sums than threads of a block.
void CheckLargePictures(at::Device device);
// Batches of any size, groups of different sizes and several videos give what single pairs give.
void CheckScorer(at::Device device);
// Against the definition (maps scaled up to the picture) in double.
void CheckLpips(at::Device device, bool tf32);

}  // namespace teacache
