#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "datasets/shapes/shapes.h"

namespace teacache {

// Rendered training data of the shapes world, on the CPU; the same seed gives the same data.

struct ShapesFrames {
  at::Tensor frames;   // [N, 3, 64, 64] float32 in [-1, 1]
  at::Tensor factors;  // [N, 19] float32, ShapesSceneFactors
  at::Tensor radius;   // [N] float32, pixels
};
// `count` frames, each of another random prompt, track and time.
ShapesFrames RandomShapesFrames(int64_t count, uint64_t seed);

// All 16 frames of `count` random videos: frames are [count * 16, ...], video by video.
struct ShapesVideos {
  std::vector<ShapesPrompt> prompts;
  ShapesFrames frames;
};
ShapesVideos RandomShapesVideos(int64_t count, uint64_t seed);

}  // namespace teacache
