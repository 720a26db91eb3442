#pragma once

#include <ATen/core/Tensor.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "metrics/lpips/backbones.h"
#include "metrics/pairs/frame_scorer.h"

namespace teacache {

struct GpuScorerOptions {
  // The network of the metric with the kernel "lpips". None = no such metric.
  std::optional<LpipsNet> lpips;
  bool spatial = true;
  LpipsWeights weights;  // on any device, float32
  // TensorFloat-32 in LPIPS's convolutions: faster, and up to 5e-4 away.
  bool tf32 = false;
  // Pixels of all pictures that are on the GPU at once; 0 = by what the network needs.
  int64_t batch_pixels = 0;
};

// Squared errors and the kernels "ssim" and "lpips" (Metric::Kernel) for batches of frames on a
// GPU. Calls from several threads take turns on it and prepare their frames meanwhile. The digits
// depend neither on the batches nor on other threads, but for LPIPS: cuDNN chooses its algorithms
// by the size of the batch, which moves it by about 1e-7.
class GpuFrameScorer : public FrameScorer {
 public:
  // Sets LibTorch's switches for TF32 and deterministic algorithms for the whole process.
  GpuFrameScorer(at::Device device, const GpuScorerOptions& options);

  std::string Device() const override;
  int BatchFrames(int width, int height) const override;
  // Throws UserError when the GPU fails (no memory).
  std::vector<std::vector<FrameScore>> Score(std::span<const FrameGroup> groups,
                                             const Metrics& metrics) const override;

 private:
  struct Batch;
  void ScoreBatch(const Batch& batch, const Metrics& metrics, FrameScore* scores) const;
  at::Tensor LpipsDistances(const Batch& batch, const at::Tensor& pictures) const;

  at::Device device_;
  GpuScorerOptions options_;
  mutable std::mutex mutex_;  // one batch is on the GPU at a time
};

}  // namespace teacache
