#pragma once

#include <cstddef>

namespace teacache {

// Below so many videos the worst 5 % are less than one video, and the worst one stands for them.
inline constexpr size_t kFewestForWorstShare = 20;

}  // namespace teacache
