#pragma once

#include <cstddef>

namespace teacache {

struct L1KernelSums {
  double diff = 0;  // sum|a - b|, differences in float32
  double prev = 0;  // sum|b|
};

// With the vector instructions of the machine; the order of the additions, and with it the last
// bits, depends on their width.
L1KernelSums SumL1(const float* a, const float* b, size_t n);

}  // namespace teacache
