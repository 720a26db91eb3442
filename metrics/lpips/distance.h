#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace teacache {

// sum_yx wy[y] wx[x] sum_c head[c] (a / (|a| + 1e-10) - b / (|b| + 1e-10))^2 for a, b [C, h, w] on
// the CPU, in float32 or double.
double LayerDistance(const at::Tensor& a,
                     const at::Tensor& b,
                     const at::Tensor& head,
                     const std::vector<double>& wy,
                     const std::vector<double>& wx);

}  // namespace teacache
