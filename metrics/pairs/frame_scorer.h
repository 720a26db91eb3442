#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/video/video.h"
#include "metrics/metric.h"

namespace teacache {

// A frame of the ground truth and the frames to compare with it, all of one size.
struct FrameGroup {
  Frame gt;
  std::vector<Frame> gens;
};

// One of the generated frames against the ground truth.
struct FrameScore {
  uint64_t squared_error = 0;  // see SquaredError
  std::vector<double> values;  // of the metrics, in their order; NaN = left to ScoreTheRest
};

// Where frames are compared: the CPU, frame by frame (CpuFrameScorer), or a GPU, in batches
// (metrics/gpu/gpu_scorer.h).
class FrameScorer {
 public:
  virtual ~FrameScorer() = default;
  // "cpu", "cuda:0"
  virtual std::string Device() const = 0;
  // How many frames of the ground truth to collect before Score pays, for pictures of this size.
  virtual int BatchFrames(int width, int height) const = 0;
  // [group][generated frame]. Frames have the metrics' smallest sizes. Metrics without a kernel
  // here (Metric::Kernel) stay NaN. May be called from several threads. The digits do not depend on
  // what other threads do.
  virtual std::vector<std::vector<FrameScore>> Score(std::span<const FrameGroup> groups,
                                                     const Metrics& metrics) const = 0;
};

// Computes, on the CPU, the values of a group that are NaN.
void ScoreTheRest(const FrameGroup& group, const Metrics& metrics, std::vector<FrameScore>* scores);

class CpuFrameScorer : public FrameScorer {
 public:
  std::string Device() const override { return "cpu"; }
  int BatchFrames(int /*width*/, int /*height*/) const override { return 1; }
  std::vector<std::vector<FrameScore>> Score(std::span<const FrameGroup> groups,
                                             const Metrics& metrics) const override;
};

}  // namespace teacache
