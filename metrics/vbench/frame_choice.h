#pragma once

#include <cstdint>
#include <vector>

namespace teacache {

// Which frames VBench looks at, to the index.

// The middles of `count` equal parts of 0 ... total - 1, as get_frame_indices(sample="middle") with
// numpy's linspace: with b_i = int(i (total / n)), n = min(count, total), b_n = total, they are
// (b_i + b_(i+1) - 1) // 2; then the last one again until there are `count`. Empty for total < 1.
std::vector<int64_t> MiddleFrames(int64_t count, int64_t total);

// Every how many frames dynamic_degree looks: max(1, round(fps / 8)), halves to even; 1 when the
// frame rate is unknown (0), as for folders of pictures.
int64_t FlowInterval(double fps);

// round() of Python: halves to the even neighbour.
int64_t RoundHalfEven(double value);

// Edges to add, repeating the outermost pixels, so that both sides are multiples of `divisor`.
struct Padding {
  int64_t left = 0;
  int64_t right = 0;
  int64_t top = 0;
  int64_t bottom = 0;
};
Padding PadToMultiple(int64_t height, int64_t width, int64_t divisor);

}  // namespace teacache
