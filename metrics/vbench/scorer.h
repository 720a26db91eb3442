#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datasets/video/video.h"
#include "metrics/vbench/suite.h"
#include "metrics/vbench/video_score.h"

namespace teacache {

// How dimensions are computed while a video is decoded once for all of them.

// One video on its way through the frames.
class VbenchSession {
 public:
  virtual ~VbenchSession() = default;
  // The next frames, all of one size. Throws UserError.
  virtual void Add(std::span<const Frame> frames) = 0;
  // After the last frame: puts scores and errors into `score`. Returns true when the number of
  // frames was not known in advance (`total` is it) and all frames must come once more.
  virtual bool Finish(int64_t total, VbenchVideoScore* score) = 0;
  // false: Add will not be called.
  virtual bool NeedsFrames() const { return true; }
};

// Knows how to compute some dimensions. May be used from several threads.
class VbenchScorer {
 public:
  virtual ~VbenchScorer() = default;
  virtual std::vector<const VbenchDimension*> Dimensions() const = 0;
  // What it is computed with, for output files and journals: "clip_b32_image" -> "sha256 ...".
  virtual std::map<std::string, std::string> Context() const = 0;
  // For those of `dimensions` that it knows; none of them = nullptr. `info` as before decoding.
  virtual std::unique_ptr<VbenchSession> Start(
      const SuiteVideo& video,
      const std::vector<const VbenchDimension*>& dimensions,
      const VideoInfo& info) const = 0;
};

// temporal_flickering.
std::shared_ptr<const VbenchScorer> MakeFlickerScorer();

// The dimensions on detections, for those of which the files say something (see rules.h).
std::shared_ptr<const VbenchScorer> MakeDetectionScorer(const std::vector<std::string>& files);

}  // namespace teacache
