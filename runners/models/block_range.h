#pragma once

#include <cstddef>
#include <limits>

namespace teacache {

// Some of a transformer's blocks, in order of execution: begin, ..., end - 1.
struct BlockRange {
  size_t begin = 0;
  size_t end = std::numeric_limits<size_t>::max();  // beyond the last block = up to it

  static BlockRange First() { return {0, 1}; }
  static BlockRange AfterFirst() { return {1}; }
};

}  // namespace teacache
