#pragma once

#include <string>
#include <vector>

#include "datasets/video/libav_handles.h"
#include "datasets/video/video.h"

namespace teacache {

// Internal to teacache::datasets: decoded pictures of any pixel format to RGB.

// A turn and perhaps a mirroring, as a container's display matrix asks for.
struct Orientation {
  enum class Turn { kNone, kClockwise, kCounterClockwise };
  Turn turn = Turn::kNone;
  bool flip_horizontal = false;  // after the turn
  bool flip_vertical = false;
};

// From the 3x3 display matrix of libav (nullptr = none). Throws UserError for angles that are no
// multiple of 90 degrees.
Orientation ReadOrientation(const std::string& where, const int32_t* matrix);

// [height, width, 3] in, the same picture turned out.
Frame Orient(Frame frame, const Orientation& orientation);

// Converts as the ffmpeg program does when asked for rgb24: swscale's bicubic default, the matrix
// and range that the picture is tagged with, BT.601 limited range when it is not. High bit depths
// are rounded to 8 bits, alpha is dropped. One converter per stream, not shared between threads.
class FrameConverter {
 public:
  Frame ToRgb(const std::string& where, const AVFrame& picture);

 private:
  struct Format {
    int width = 0, height = 0, pixels = -1, matrix = 0, range = 0;
    bool operator==(const Format&) const = default;
  };
  Format format_;
  Sws sws_;
  AvFrame rgb_;
};

// RGB to pictures of any size and format, with the same defaults (untagged: BT.601, limited range)
// and from rows without padding, as ffmpeg gets them through a pipe: at the right border swscale
// looks beyond the row, so the layout is part of the result.
class PictureFiller {
 public:
  // The picture's buffers are there; every call must have the same sizes and formats.
  void Fill(const std::string& where, const Frame& frame, AVFrame* picture);

 private:
  Sws sws_;
  std::vector<uint8_t> rgb_;
};

}  // namespace teacache
