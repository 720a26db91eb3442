#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

// The three networks of LPIPS v0.1.
enum class LpipsNet { kAlex, kSqueeze, kVgg };
LpipsNet ParseLpipsNet(std::string_view name);  // "alex", "squeeze", "vgg"; throws UserError
std::string_view LpipsNetName(LpipsNet net);
// Smallest width and height of a picture, in pixels.
int LpipsMinSize(LpipsNet net);

// w with mean(upsample(M)) = sum_i w[i] M[i] for bilinear scaling (align_corners = False) of n
// values to `size` along one axis; sums to 1. `size` 0: the plain mean, 1 / n each.
std::vector<double> UpsampleMeanWeights(int64_t n, int64_t size);

// The backbones of LPIPS on at::Tensor, on any device, in float32 or double.

struct LpipsWeights {
  std::map<std::string, at::Tensor> features;  // "0.weight", "3.squeeze.bias", ...
  std::vector<at::Tensor> heads;               // [C] per layer
};

// What `features` must hold, by name, and the channels C of each compared layer.
std::map<std::string, std::vector<int64_t>> LpipsBackboneShapes(LpipsNet net);
std::vector<int64_t> LpipsChannels(LpipsNet net);

// 8-bit frames of one size as [N, 3, H, W] on the CPU, channels last in memory, scaled as the
// backbone wants them.
at::Tensor LpipsInput(std::span<const Frame* const> frames, at::ScalarType dtype);
// The same of uint8 [N, H, W, 3] on any device, in float32, row-major.
at::Tensor LpipsInput(const at::Tensor& pictures);

// Outputs at the layers that LPIPS compares, [N, C, h, w] each.
std::vector<at::Tensor> LpipsFeatures(LpipsNet net,
                                      const LpipsWeights& weights,
                                      const at::Tensor& input);

}  // namespace teacache
