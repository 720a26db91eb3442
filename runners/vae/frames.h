#pragma once

#include <ATen/core/Tensor.h>

#include "datasets/video/video.h"

namespace teacache {

// How decoded values v in [-1, 1] become bytes; each system has its reference's way.
enum class FrameRounding {
  kNearest,   // clamp(v, -1, 1), then trunc((v + 1) / 2 * 255 + 0.5)
  kTruncate,  // trunc(clamp(v / 2 + 0.5, 0, 1) * 255)
};

// [T, 3, H, W] -> [T, H, W, 3] uint8 on the CPU. The arithmetic is that of the frames' own dtype:
// rounded to bfloat16, a third of the bytes differ by one.
at::Tensor FramesToBytes(const at::Tensor& frames, FrameRounding rounding);

// [T, 3, H, W] -> frames.
Video FramesToVideo(const at::Tensor& frames,
                    double fps,
                    FrameRounding rounding = FrameRounding::kNearest);

}  // namespace teacache
