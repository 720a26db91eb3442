#pragma once

#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/base/choices.h"
#include "datasets/results.h"
#include "datasets/video/video.h"
#include "metrics/frames/ssim.h"
#include "metrics/lpips/perceptual_metric.h"
#include "metrics/pairs/frame_scorer.h"

namespace teacache {

// What to do with a pair whose sizes differ.
enum class SizePolicy {
  kStrict,     // an error of that pair
  kResizeGen,  // the generated frames to the size of the ground truth (bilinear, antialiased)
  kResizeGt,   // the other way round
  kCrop,       // both to their common middle, without scaling
  kBatchEval,  // as TeaCache's batch_eval.py treats the ground truth (BatchEvalResize)
};
inline constexpr Choices<SizePolicy, 5> kSizePolicies = {{
    {"strict", SizePolicy::kStrict},
    {"resize-gen", SizePolicy::kResizeGen},
    {"resize-gt", SizePolicy::kResizeGt},
    {"crop", SizePolicy::kCrop},
    {"batch-eval", SizePolicy::kBatchEval},
}};

// What to do with a pair of different numbers of frames.
enum class LengthPolicy {
  kStrict,  // an error of that pair
  kMin,     // compare the frames that both have, with a warning
};
inline constexpr Choices<LengthPolicy, 2> kLengthPolicies = {{
    {"strict", LengthPolicy::kStrict},
    {"min", LengthPolicy::kMin},
}};

// What is computed for every frame of a pair.
struct ScoreOptions {
  bool psnr = true;
  bool ssim = true;
  SsimVariant ssim_variant = SsimVariant::kWangRgb;
  std::shared_ptr<const PerceptualMetric> lpips;  // none = no LPIPS
  std::shared_ptr<const FrameScorer> scorer;      // where frames are compared; none = the CPU
  // Frames above this PSNR in dB, identical ones included, count as this much.
  double psnr_cap = std::numeric_limits<double>::infinity();
  SizePolicy size = SizePolicy::kStrict;
  LengthPolicy length = LengthPolicy::kStrict;
  bool per_frame = false;  // keep the values of every frame
};

// Scores one pair in memory. Mistakes of the pair (sizes, lengths, no frames) are in `error`.
VideoScore ScoreVideos(const Video& gt,
                       const Video& gen,
                       const ScoreOptions& options = {},
                       const std::string& name = "");

// Scores several generated videos against one ground truth, frame by frame: memory holds one frame
// of each, or as many as the scorer wants at once. A reader that fails, or differs, ends its own
// score only. The scores are in the order of `gens`; names are empty.
std::vector<VideoScore> ScoreStreams(VideoReader& gt,
                                     const std::vector<VideoReader*>& gens,
                                     const ScoreOptions& options);

}  // namespace teacache
