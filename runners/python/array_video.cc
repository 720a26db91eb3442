#include "runners/python/array_video.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "datasets/base/error.h"
#include "datasets/tensors/float_levels.h"
#include "datasets/video/video_limits.h"

namespace teacache {
namespace {

// An array that is not clipped is its owner's to clip; rounding may have gone a little too far.
constexpr float kOvershoot = 1e-3f;

}  // namespace

ArrayVideo::ArrayVideo(std::string where,
                       const void* data,
                       Type type,
                       const std::vector<int64_t>& shape,
                       const std::vector<int64_t>& strides)
    : where_(std::move(where)),
      data_(static_cast<const std::byte*>(data)),
      type_(type),
      is_picture_(shape.size() == 3) {
  const size_t n = shape.size();
  const bool known = n == 3 || n == 4;
  const bool planar = known && shape[n - 3] == 3;
  if (!known || (!planar && shape[n - 1] != 3)) {
    ThrowUserError(where_,
                   "must be [height, width, 3] or [3, height, width], with the frames before them "
                   "for a video, but is [{}]",
                   fmt::join(shape, ", "));
  }
  const size_t c = planar ? n - 3 : n - 1;
  const size_t y = planar ? n - 2 : n - 3;
  if (!is_picture_) {
    frames_ = shape[0];
    stride_t_ = strides[0];
  }
  if (frames_ < 1) ThrowUserError(where_, "must have at least one frame but has none");
  CheckFrameSize(where_, shape[y + 1], shape[y]);
  height_ = static_cast<int>(shape[y]);
  width_ = static_cast<int>(shape[y + 1]);
  stride_y_ = strides[y];
  stride_x_ = strides[y + 1];
  stride_c_ = strides[c];
}

std::span<const uint8_t> ArrayVideo::Samples(int64_t t) const {
  if (type_ != Type::kU8 || stride_c_ != 1 || stride_x_ != 3 || stride_y_ != 3 * width_) return {};
  const auto* first = reinterpret_cast<const uint8_t*>(data_) + t * stride_t_;
  return {first, size_t(3) * static_cast<size_t>(width_) * static_cast<size_t>(height_)};
}

template <typename Level>
Frame ArrayVideo::CopyWith(int64_t t, int64_t value_bytes, const Level& level) const {
  Frame frame{width_, height_, {}};
  frame.rgb.resize(size_t(3) * static_cast<size_t>(width_) * static_cast<size_t>(height_));
  uint8_t* to = frame.rgb.data();
  for (int y = 0; y < height_; ++y) {
    for (int x = 0; x < width_; ++x) {
      const int64_t pixel = t * stride_t_ + y * stride_y_ + x * stride_x_;
      for (int c = 0; c < 3; ++c) *to++ = level(data_ + (pixel + c * stride_c_) * value_bytes);
    }
  }
  return frame;
}

Frame ArrayVideo::Copy(int64_t t) const {
  FloatLevels levels(where_, kOvershoot);
  const auto as_level = [&](auto load) {
    return [&levels, load, t](const std::byte* value) { return levels(load(value), t); };
  };
  switch (type_) {
    case Type::kU8:
      return CopyWith(t, 1, [](const std::byte* value) { return static_cast<uint8_t>(*value); });
    case Type::kF16:
      return CopyWith(t, 2, as_level(LoadHalf));
    case Type::kBF16:
      return CopyWith(t, 2, as_level(LoadBfloat16));
    case Type::kF32:
      return CopyWith(t, 4, as_level(LoadFloat<float>));
    case Type::kF64:
      return CopyWith(t, 8, as_level(LoadFloat<double>));
  }
  return {};
}

}  // namespace teacache
