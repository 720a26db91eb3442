#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "datasets/video/video.h"

namespace teacache {

// A crop that the container asks for, apart from the one in the coded stream: MP4's `clap`,
// Matroska's PixelCrop.

// Pixels to take away at each side of a decoded picture, before it is turned.
struct Crop {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  bool any() const { return top != 0 || bottom != 0 || left != 0 || right != 0; }
  bool operator==(const Crop&) const = default;
};

// From libav's AV_PKT_DATA_FRAME_CROPPING (since FFmpeg 7.1): four unsigned 32-bit little-endian
// numbers, top, bottom, left, right. Shorter data is no crop.
Crop ReadCropSideData(std::span<const uint8_t> data);

// The picture without its sides. Throws UserError, starting with `where`, when nothing is left.
Frame CropFrame(const std::string& where, Frame frame, const Crop& crop);

// For libav without that side data: the first crop that the headers of an MP4, QuickTime or
// Matroska file ask for. Nothing for other files and for headers that cannot be understood; never
// throws. Reads the headers only.
std::optional<Crop> FindContainerCrop(const std::string& path);

}  // namespace teacache
