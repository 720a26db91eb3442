#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

struct ScoreOptions;

// A frame of the ground truth and the frames to compare with it, all of one size.
struct FrameGroup {
  Frame gt;
  std::vector<Frame> gens;
};

// One of the generated frames against the ground truth.
struct FrameScore {
  uint64_t squared_error = 0;  // see SquaredError
  double ssim = std::numeric_limits<double>::quiet_NaN();
  double lpips = std::numeric_limits<double>::quiet_NaN();
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
  // What `options` asks for, [group][generated frame]. Frames hold LPIPS's smallest size. SSIM is
  // NaN where a picture is smaller than a window, and in variants that are left to the CPU. May be
  // called from several threads. The digits do not depend on what other threads do.
  virtual std::vector<std::vector<FrameScore>> Score(std::span<const FrameGroup> groups,
                                                     const ScoreOptions& options) const = 0;
};

class CpuFrameScorer : public FrameScorer {
 public:
  std::string Device() const override { return "cpu"; }
  int BatchFrames(int /*width*/, int /*height*/) const override { return 1; }
  std::vector<std::vector<FrameScore>> Score(std::span<const FrameGroup> groups,
                                             const ScoreOptions& options) const override;
};

}  // namespace teacache
