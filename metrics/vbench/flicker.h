#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

// temporal_flickering of VBench: (255 - mean over t of mean |frame_t - frame_(t+1)|) / 255 over
// all samples of all channels. Upstream works in float32; sums are exact integers here.

// Sum of |a_i - b_i|, exact. Both spans have the same size. Runtime dispatch.
uint64_t AbsoluteDifference(std::span<const uint8_t> a, std::span<const uint8_t> b);

class FlickerSum {
 public:
  // Frames in order. Throws UserError when one has another size than the one before.
  void Add(const Frame& frame);

  int64_t num_pairs() const { return pairs_; }
  // In [0, 1], 1 = still. Throws UserError for fewer than two frames.
  double Score() const;

 private:
  Frame previous_;
  int64_t pairs_ = 0;
  double sum_ = 0;  // of the pairs' mean differences
};

}  // namespace teacache
