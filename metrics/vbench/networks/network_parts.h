#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "metrics/vbench/networks/network_set.h"
#include "metrics/vbench/networks/preprocess.h"
#include "metrics/vbench/suite.h"
#include "metrics/vbench/video_score.h"

namespace teacache {

// One dimension (or two that are the same) of one video, on its way through the frames.

// Consecutive frames, each transform computed once for all parts.
class FrameBatch {
 public:
  explicit FrameBatch(std::span<const Frame> frames) : frames_(frames) {}
  std::span<const Frame> frames() const { return frames_; }
  // [N, 3, h, w]
  const at::Tensor& Get(VbenchTransform transform);

 private:
  std::span<const Frame> frames_;
  std::map<VbenchTransform, at::Tensor> tensors_;
};

class NetworkPart {
 public:
  explicit NetworkPart(std::vector<std::string> dimensions) : dimensions_(std::move(dimensions)) {}
  virtual ~NetworkPart() = default;

  const std::vector<std::string>& dimensions() const { return dimensions_; }
  bool done() const { return done_; }
  void Stop() { done_ = true; }

  // Throws UserError.
  virtual void Add(FrameBatch& batch) = 0;
  // After `total` frames: writes its scores and stops; without stopping, all frames come once more.
  virtual void Finish(int64_t total, VbenchVideoScore* score) = 0;

 protected:
  void Put(const VbenchScore& value, VbenchVideoScore* score) {
    for (const std::string& dimension : dimensions_) score->scores[dimension] = value;
    Stop();
  }

 private:
  std::vector<std::string> dimensions_;
  bool done_ = false;
};

// Parts for `dimensions`, which `networks` has all that is needed for. `info` is of before
// decoding. Throws UserError when the prompt lacks what a dimension needs.
std::vector<std::unique_ptr<NetworkPart>> MakeNetworkParts(
    const NetworkSet& networks,
    const SuiteVideo& video,
    const std::vector<const VbenchDimension*>& dimensions,
    const VideoInfo& info);

}  // namespace teacache
