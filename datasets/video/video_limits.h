#pragma once

#include <cstdint>
#include <string>

#include "datasets/base/error.h"

namespace teacache {

// The largest frame that is read, of videos, pictures and tensors alike: an 8-bit copy takes 400
// MB.
inline constexpr int64_t kMaxFrameSide = 1 << 15;
inline constexpr int64_t kMaxFramePixels = int64_t{1} << 27;

// Throws UserError for a frame without pixels or beyond the limits.
inline void CheckFrameSize(const std::string& where, int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > kMaxFrameSide || height > kMaxFrameSide ||
      width * height > kMaxFramePixels) {
    ThrowUserError(where,
                   "must have sides of 1 to {} pixels and at most {} pixels but is {}x{}",
                   kMaxFrameSide,
                   kMaxFramePixels,
                   width,
                   height);
  }
}

}  // namespace teacache
