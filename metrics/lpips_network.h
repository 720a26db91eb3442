#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "datasets/safetensors.h"
#include "metrics/lpips.h"

namespace teacache {

// The parts of LPIPS on at::Tensor, in float32 or double.

struct LpipsWeights {
  std::map<std::string, at::Tensor> features;  // "0.weight", "3.squeeze.bias", ...
  std::vector<at::Tensor> heads;               // [C] per layer
};

// Checks names and shapes (see Lpips) and converts to `dtype`. Throws UserError.
LpipsWeights ReadLpipsWeights(LpipsNet net,
                              const std::vector<TensorView>& backbone,
                              const std::vector<TensorView>& heads,
                              const std::string& source,
                              at::ScalarType dtype);

// 8-bit frames of one size as [N, 3, H, W], channels last in memory, scaled as the backbone wants
// them.
at::Tensor LpipsInput(std::span<const Frame* const> frames, at::ScalarType dtype);

// Outputs at the layers that LPIPS compares, [N, C, h, w] each.
std::vector<at::Tensor> LpipsFeatures(LpipsNet net,
                                      const LpipsWeights& weights,
                                      const at::Tensor& input);

// sum_yx wy[y] wx[x] sum_c head[c] (a / (|a| + 1e-10) - b / (|b| + 1e-10))^2 for a, b [C, h, w].
double LayerDistance(const at::Tensor& a,
                     const at::Tensor& b,
                     const at::Tensor& head,
                     const std::vector<double>& wy,
                     const std::vector<double>& wx);

}  // namespace teacache
