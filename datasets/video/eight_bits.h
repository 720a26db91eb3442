#pragma once

#include "datasets/video/libav_handles.h"

namespace teacache {

// Brings decoded pictures to the layouts that ffmpeg's converter takes to RGB without scaling, so
// that equal samples give equal RGB whatever format stores them: swscale interpolates chroma of 10
// bits but repeats that of 8, and reads grey of limited range as full range.
//
//   YUV with more than 8 bits, or packed or semi-planar -> planar, 8 bits, the same subsampling
//   grey of limited range                               -> 4:2:0 with chroma of 128
//   RGB with more than 8 bits, grey of full range       -> 8 bits
//
// Rounding: limited range and chroma of limited range by 2^(bits - 8), full range by
// (2^bits - 1) / 255 (around the middle for chroma), to the nearest. Alpha is dropped. Everything
// else (8-bit planar YUV and RGB, palettes, floats, XYZ) stays as it is.
class EightBits {
 public:
  // The picture itself, or one that lives until the next call. `limited_grey`: grey without a range
  // is of limited range, as in H.264 and its successors.
  const AVFrame& Of(const AVFrame& picture, bool limited_grey);

 private:
  AvFrame small_;
};

// Does the picture have a pixel that is not opaque? Formats without alpha have none.
bool HasTransparentPixels(const AVFrame& picture);

}  // namespace teacache
