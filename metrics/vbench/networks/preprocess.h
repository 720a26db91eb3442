#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <string_view>

#include "datasets/video/video.h"

namespace teacache {

// VBench's ways from 8-bit frames to a network's input, each exactly as upstream (torchvision 0.26
// on tensors, Pillow). "Shorter side to 224" makes the longer int(224 long / short); crops take the
// middle, at round((n - 224) / 2) with halves to even. CLIP and ImageNet have their own means and
// deviations.
enum class VbenchTransform {
  kDinoFloat,  // bilinear on floats, no antialiasing, no crop; ImageNet
  kClipFloat,  // bicubic (A = -0.75) on floats, no antialiasing, overshoot kept; crop; CLIP
  kClipUint8,  // as kClipFloat, cut to 0 ... 255 and rounded before / 255
  kClipPil,    // Pillow's bicubic; crop; CLIP
  kDinoPil,    // Pillow's bilinear; ImageNet
  kClipAntialiasFloat,  // torchvision's antialiased bicubic (A = -0.5); crop; CLIP. Not in VBench
  kImagingLonger,       // longer side to 512 when it is larger, bilinear; only / 255
};

// "dino_float", "clip_float", ...
std::string_view VbenchTransformName(VbenchTransform transform);
// Throws UserError listing the names.
VbenchTransform ParseVbenchTransform(const std::string& name);

// Frames of one size -> float32 [N, 3, h, w] on the CPU.
at::Tensor Preprocess(VbenchTransform transform, std::span<const Frame> frames);

// Frames of one size -> float32 [N, 3, H, W], 0 ... 255.
at::Tensor FramesToTensor(std::span<const Frame> frames);

}  // namespace teacache
