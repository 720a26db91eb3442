#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace teacache {

// The three networks of LPIPS v0.1, and what is known of them without LibTorch.
enum class LpipsNet { kAlex, kSqueeze, kVgg };
LpipsNet ParseLpipsNet(std::string_view name);  // "alex", "squeeze", "vgg"; throws UserError
std::string_view LpipsNetName(LpipsNet net);
// Smallest width and height of a picture, in pixels.
int LpipsMinSize(LpipsNet net);

// w with mean(upsample(M)) = sum_i w[i] M[i] for bilinear scaling (align_corners = False) of n
// values to `size` along one axis; sums to 1. `size` 0: the plain mean, 1 / n each.
std::vector<double> UpsampleMeanWeights(int64_t n, int64_t size);

}  // namespace teacache
