#pragma once

#include <cstddef>

namespace teacache {

// out[p] = sum_c head[c] (a[p, c] / (|a[p]| + 1e-10) - b[p, c] / (|b[p]| + 1e-10))^2 for a, b
// [pixels, channels]. Runtime dispatch.
void NormalizedDistance(
    const float* a, const float* b, const float* head, size_t channels, size_t pixels, float* out);

}  // namespace teacache
