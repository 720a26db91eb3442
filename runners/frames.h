#pragma once

#include <ATen/core/Tensor.h>

#include "datasets/video.h"

namespace teacache {

// [T, 3, H, W] float in [-1, 1] -> uint8 frames; values are clamped and rounded to nearest.
Video FramesToVideo(const at::Tensor& frames, double fps);

}  // namespace teacache
