#pragma once

#include <cstddef>

namespace teacache {

// out[p] = sum_c head[c] (a[c, p] / (|a[:, p]| + 1e-10) - b[c, p] / (|b[:, p]| + 1e-10))^2 for
// p = 0 ... count - 1; a and b are planes of `stride` values, `channels` of them. Runtime dispatch.
void NormalizedDistance(const float* a,
                        const float* b,
                        const float* head,
                        size_t channels,
                        size_t stride,
                        size_t count,
                        float* out);

}  // namespace teacache
