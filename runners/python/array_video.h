#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

// A picture or a video in the memory of somebody else: a NumPy array or a tensor, of any strides.
// Shapes: [height, width, 3], [3, height, width], [frames, height, width, 3] or [frames, 3, height,
// width]; where both readings are possible the channels come before height and width, as in tensor
// files (datasets/video/tensor_video.cc). Values: uint8, or float in [0, 1], rounded to the nearest
// of 256 levels; what lies outside is refused (FloatLevels).
class ArrayVideo {
 public:
  enum class Type { kU8, kF16, kBF16, kF32, kF64 };

  // `strides` in values, one per dimension. Throws UserError, naming `where`, for other shapes.
  ArrayVideo(std::string where,
             const void* data,
             Type type,
             const std::vector<int64_t>& shape,
             const std::vector<int64_t>& strides);

  int64_t frames() const { return frames_; }
  int width() const { return width_; }
  int height() const { return height_; }
  bool is_picture() const { return is_picture_; }  // three dimensions

  // The samples of frame `t` where they are [height, width, 3] uint8 without gaps; else empty.
  std::span<const uint8_t> Samples(int64_t t) const;
  // A copy of frame `t`. Throws UserError for a value that is not finite or outside [0, 1].
  Frame Copy(int64_t t) const;

 private:
  template <typename Level>
  Frame CopyWith(int64_t t, int64_t value_bytes, const Level& level) const;

  std::string where_;
  const std::byte* data_ = nullptr;
  Type type_ = Type::kU8;
  int64_t frames_ = 1;
  int width_ = 0;
  int height_ = 0;
  bool is_picture_ = false;
  int64_t stride_t_ = 0, stride_y_ = 0, stride_x_ = 0, stride_c_ = 0;  // in values
};

}  // namespace teacache
