#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "datasets/base/error.h"

namespace teacache {

using Bytes = std::span<const std::byte>;

// Reads little-endian numbers, never past the end.
class Cursor {
 public:
  Cursor(Bytes bytes, const std::string& where, size_t position = 0)
      : bytes_(bytes), where_(where), position_(position) {}

  size_t position() const { return position_; }
  bool AtEnd() const { return position_ == bytes_.size(); }

  Bytes Take(uint64_t n) {
    if (n > bytes_.size() - position_) {
      ThrowUserError(
          where_,
          "must be a whole torch.save file but ends at byte {} in the middle of something",
          bytes_.size());
    }
    const Bytes out = bytes_.subspan(position_, n);
    position_ += n;
    return out;
  }
  template <typename T>
  T Number() {
    T value;
    std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string Text(uint64_t n) {
    const Bytes bytes = Take(n);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string Line() {
    std::string line;
    for (char c; (c = static_cast<char>(Number<uint8_t>())) != '\n';) line += c;
    return line;
  }

 private:
  Bytes bytes_;
  const std::string& where_;
  size_t position_;
};

}  // namespace teacache
