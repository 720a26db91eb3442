#pragma once

#include <span>
#include <string>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

// A learned distance between frames. Implemented by Lpips (teacache::lpips, which needs LibTorch);
// here so that everything else in metrics/ does without it.
class PerceptualMetric {
 public:
  virtual ~PerceptualMetric() = default;
  // The full name for output files: network, version, pooling, weights.
  virtual std::string Definition() const = 0;
  // Smallest width and height, in pixels.
  virtual int MinSize() const = 0;
  // Distances of `gt` to each of `gens`, all of one size, lower = closer, 0 = identical. May be
  // called from several threads; the result does not depend on what other threads do.
  virtual std::vector<double> Distances(const Frame& gt,
                                        std::span<const Frame* const> gens) const = 0;
};

}  // namespace teacache
