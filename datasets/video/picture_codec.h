#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

enum class PictureKind { kPng, kJpeg };

// A decoded picture: RGB, alpha dropped, turned as an EXIF orientation says, 16 bits per sample
// rounded to 8.
struct Picture {
  Frame frame;
  int bits = 8;              // per sample, as stored: 8 or 16
  bool transparent = false;  // has a pixel that is not opaque; OpenCV's decoder does not look
};

// A library that decodes and encodes single pictures. All give the same samples of PNG.
struct PictureCodec {
  const char* name;
  // Throws UserError starting with `where` for bytes that are not such a picture.
  Picture (*decode)(const std::string& where, PictureKind kind, std::string_view bytes);
  // 8 bits per sample, without metadata.
  std::vector<uint8_t> (*encode_png)(const std::string& where, const Frame& frame);
};

// OpenCV's, which the product uses.
const PictureCodec& OpenCvPictures();
// libav's, for builds that cannot take OpenCV along (TEACACHE_OPENCV=OFF). Of JPEG, whose decoders
// may round, about 1 sample in 20 differs from OpenCV's, by at most 3 levels of 255.
const PictureCodec& LibavPictures();

// The one of this build.
const PictureCodec& Pictures();

}  // namespace teacache
