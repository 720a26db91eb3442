#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/base/choices.h"
#include "datasets/results.h"
#include "datasets/video/video.h"
#include "metrics/metric_list.h"
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
  Metrics metrics = MakeMetrics("psnr,ssim");
  std::shared_ptr<const FrameScorer> scorer;  // where frames are compared; none = the CPU
  SizePolicy size = SizePolicy::kStrict;
  LengthPolicy length = LengthPolicy::kStrict;
  bool per_frame = false;  // keep the values of every frame
};

// Scores one pair in memory. Mistakes of the pair (sizes, lengths, no frames) are in `error`.
VideoScore ScoreVideos(const Video& gt,
                       const Video& gen,
                       const ScoreOptions& options = {},
                       const std::string& name = "");

// Scores several generated videos against one ground truth, frame by frame, each while the next one
// is decoded: memory holds two frames of each, or twice as many as the scorer wants at once. A
// reader that fails, or differs, ends its own score only. The scores are in the order of `gens`;
// names are empty.
std::vector<VideoScore> ScoreStreams(VideoReader& gt,
                                     const std::vector<VideoReader*>& gens,
                                     const ScoreOptions& options);

}  // namespace teacache
