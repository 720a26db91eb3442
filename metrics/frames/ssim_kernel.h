#pragma once

#include <cstdint>

namespace teacache {

// Sum of 1 - SSIM over all windows and channels of interleaved pictures [height, width, channels],
// at least 11x11, channels 1 or 3. Runtime dispatch to the best instruction set.
double SsimDeficit(
    const uint8_t* a, const uint8_t* b, int width, int height, int channels, double peak);
double SsimDeficit(
    const uint16_t* a, const uint16_t* b, int width, int height, int channels, double peak);

// The same of the contrast term alone, 1 - (2 sab + C2) / (saa + sbb + C2), for three channels.
double ContrastDeficit(const uint8_t* a, const uint8_t* b, int width, int height, double peak);
double ContrastDeficit(const uint16_t* a, const uint16_t* b, int width, int height, double peak);

}  // namespace teacache
