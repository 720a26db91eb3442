#include "runners/python/array_video.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/video/video_limits.h"

namespace teacache {
namespace {

template <typename T>
T Load(const std::byte* data, int64_t i) {
  T value;
  std::memcpy(&value, data + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

// IEEE 754 binary16.
double Half(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  double size = 0;
  if (exponent == 31) {
    size = mantissa == 0 ? HUGE_VAL : NAN;
  } else {
    size = std::ldexp(exponent == 0 ? mantissa : mantissa | 1024, std::max(exponent, 1) - 25);
  }
  return bits >> 15 != 0 ? -size : size;
}

double Bfloat16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

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
Frame ArrayVideo::CopyWith(int64_t t, const Level& level) const {
  Frame frame{width_, height_, {}};
  frame.rgb.resize(size_t(3) * static_cast<size_t>(width_) * static_cast<size_t>(height_));
  uint8_t* to = frame.rgb.data();
  for (int y = 0; y < height_; ++y) {
    for (int x = 0; x < width_; ++x) {
      const int64_t pixel = t * stride_t_ + y * stride_y_ + x * stride_x_;
      for (int c = 0; c < 3; ++c) *to++ = level(pixel + c * stride_c_);
    }
  }
  return frame;
}

Frame ArrayVideo::Copy(int64_t t) const {
  const auto level = [&](double value) {
    if (!std::isfinite(value)) {
      ThrowUserError(where_, "frame {} must have finite values but has {}", t, value);
    }
    return static_cast<uint8_t>(std::lrint(std::clamp(value, 0.0, 1.0) * 255.0));
  };
  switch (type_) {
    case Type::kU8:
      return CopyWith(t, [&](int64_t i) { return Load<uint8_t>(data_, i); });
    case Type::kF16:
      return CopyWith(t, [&](int64_t i) { return level(Half(Load<uint16_t>(data_, i))); });
    case Type::kBF16:
      return CopyWith(t, [&](int64_t i) { return level(Bfloat16(Load<uint16_t>(data_, i))); });
    case Type::kF32:  // in float, as tensor files
      return CopyWith(t, [&](int64_t i) {
        const float value = Load<float>(data_, i);
        if (!std::isfinite(value)) level(value);
        return static_cast<uint8_t>(std::lrint(std::clamp(value, 0.0f, 1.0f) * 255.0f));
      });
    case Type::kF64:
      return CopyWith(t, [&](int64_t i) { return level(Load<double>(data_, i)); });
  }
  return {};
}

}  // namespace teacache
