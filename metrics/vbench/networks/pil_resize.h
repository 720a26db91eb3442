#pragma once

#include "datasets/video/video.h"

namespace teacache {

// Resizing of 8-bit pictures to the digit as Pillow does it (Image.resize of an RGB picture):
// widths first, then heights, each only where it changes; the filter widens when shrinking; weights
// are rounded to 22 bits, and the picture between the two passes to 8.
enum class PilFilter {
  kBilinear,  // triangle, support 1
  kBicubic,   // cubic with a = -0.5, support 2
};
Frame PilResize(const Frame& frame, int width, int height, PilFilter filter);

}  // namespace teacache
