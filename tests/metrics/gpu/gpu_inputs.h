#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "datasets/video/video.h"
#include "metrics/lpips/backbones.h"

namespace teacache {

// Random weights of the network's shapes, with outputs of moderate size: the same in every run.
LpipsWeights RandomWeights(LpipsNet net, at::ScalarType dtype);

// Frames of one size as uint8 [N, H, W, 3] on the CPU.
at::Tensor ToPictures(const std::vector<Frame>& frames);

}  // namespace teacache
