#pragma once

#include <span>

namespace teacache {

// Sum in order over count, so that the same values give the same digits; NaN when empty.
double Mean(std::span<const double> values);

}  // namespace teacache
