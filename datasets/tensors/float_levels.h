#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "datasets/base/error.h"

namespace teacache {

// The value at `data` (any alignment) as a float; T: float or double.
template <typename T>
float LoadFloat(const std::byte* data) {
  T value;
  std::memcpy(&value, data, sizeof(value));
  return static_cast<float>(value);
}

// IEEE 754 binary16.
inline float LoadHalf(const std::byte* data) {
  uint16_t bits = 0;
  std::memcpy(&bits, data, sizeof(bits));
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  float size = 0;
  if (exponent == 31) {
    size = mantissa == 0 ? HUGE_VALF : NAN;
  } else {
    size = std::ldexp(static_cast<float>(exponent == 0 ? mantissa : mantissa | 1024),
                      std::max(exponent, 1) - 25);
  }
  return bits >> 15 != 0 ? -size : size;
}

inline float LoadBfloat16(const std::byte* data) {
  uint16_t bits = 0;
  std::memcpy(&bits, data, sizeof(bits));
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// Float samples of pictures, [0, 1], as the nearest of 256 levels. Decoders overshoot: what lies
// outside by at most `overshoot` counts as the nearest end, and as clipped. Anything beyond is of
// another range, [-1, 1] or 0 to 255, and would give a wrong picture: UserError, as for values that
// are not finite.
class FloatLevels {
 public:
  explicit FloatLevels(std::string where, float overshoot)
      : where_(std::move(where)), overshoot_(overshoot) {}

  uint8_t operator()(float value, int64_t frame) {
    if (value >= 0 && value <= 1) return static_cast<uint8_t>(std::lrint(value * 255.0f));
    if (!std::isfinite(value)) {
      ThrowUserError(where_, "frame {} must have finite values but has {}", frame, value);
    }
    if (value < -overshoot_ || value > 1 + overshoot_) {
      ThrowUserError(
          where_,
          "frame {} must have values in [0, 1] but has {} (values in [-1, 1] or 0 to 255 "
          "need to be scaled, or to be uint8)",
          frame,
          value);
    }
    ++clipped_;
    return value < 0 ? 0 : 255;
  }

  int64_t clipped() const { return clipped_; }

 private:
  std::string where_;
  float overshoot_;
  int64_t clipped_ = 0;
};

}  // namespace teacache
