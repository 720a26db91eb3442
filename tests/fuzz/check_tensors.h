#pragma once

#include <fmt/format.h>

#include <span>
#include <stdexcept>

#include "datasets/tensors/safetensors.h"

namespace teacache {

// What holds of every tensor that a reader gives out: its size fits its shape, and all its bytes
// can be read. Throws std::logic_error.
inline void CheckTensors(std::span<const TensorView> tensors) {
  size_t sum = 0;
  for (const TensorView& tensor : tensors) {
    int64_t values = 1;
    for (const int64_t size : tensor.shape) {
      if (size < 0 || __builtin_mul_overflow(values, size, &values)) {
        throw std::logic_error(fmt::format("shape of \"{}\"", tensor.name));
      }
    }
    if (static_cast<uint64_t>(values) * static_cast<uint64_t>(DTypeSize(tensor.dtype)) !=
        tensor.data.size()) {
      throw std::logic_error(fmt::format("size of \"{}\"", tensor.name));
    }
    for (const std::byte byte : tensor.data) sum += static_cast<size_t>(byte);
  }
  if (sum >= size_t{1} << 40) throw std::logic_error("more bytes than a file has");
}

}  // namespace teacache
