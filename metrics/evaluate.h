#pragma once

#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/progress.h"
#include "datasets/results.h"
#include "datasets/shard.h"
#include "datasets/video.h"
#include "metrics/perceptual_metric.h"
#include "metrics/pooling.h"
#include "metrics/ssim.h"

namespace teacache {

// What to do with a pair whose sizes differ.
enum class SizePolicy {
  kStrict,     // an error of that pair
  kResizeGen,  // the generated frames to the size of the ground truth (bilinear, antialiased)
  kResizeGt,   // the other way round
  kCrop,       // both to their common middle, without scaling
  kBatchEval,  // as TeaCache's batch_eval.py treats the ground truth (BatchEvalResize)
};
// "strict", "resize-gen", "resize-gt", "crop", "batch-eval". Throws UserError listing the names.
SizePolicy ParseSizePolicy(std::string_view name);
std::string_view SizePolicyName(SizePolicy policy);

// What to do with a pair of different numbers of frames.
enum class LengthPolicy {
  kStrict,  // an error of that pair
  kMin,     // compare the frames that both have, with a warning
};
LengthPolicy ParseLengthPolicy(std::string_view name);  // "strict", "min"
std::string_view LengthPolicyName(LengthPolicy policy);

// What is computed for every frame of a pair.
struct ScoreOptions {
  bool psnr = true;
  bool ssim = true;
  SsimVariant ssim_variant = SsimVariant::kWangRgb;
  std::shared_ptr<const PerceptualMetric> lpips;  // none = no LPIPS
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
// of each. A reader that fails, or differs, ends its own score only. The scores are in the order of
// `gens`; names are empty.
std::vector<VideoScore> ScoreStreams(VideoReader& gt,
                                     const std::vector<VideoReader*>& gens,
                                     const ScoreOptions& options);

// Summary and definitions for rows that are already scored. Rows with an error do not count.
Results CollectResults(std::vector<VideoScore> videos,
                       const ScoreOptions& options = {},
                       const PoolingOptions& pooling = {});

// One set of results from those of several shards. Throws UserError when a video is in two of them
// or their definitions differ.
Results MergeResults(const std::vector<Results>& shards, const PoolingOptions& pooling = {});

struct EvaluateOptions {
  std::string gt;                 // a video, folder or list (see FindVideos)
  std::vector<std::string> gens;  // the same; all are scored in one pass over `gt`
  ScoreOptions score;
  PoolingOptions pooling;
  VideoReaderOptions reader;
  bool recursive = false;  // search folders in folders
  // Pair, decode and cap as TeaCache's eval.py does (see PairAsTeaCache, TeaCacheLine).
  bool teacache = false;
  std::vector<std::string> teacache_order;  // its listing order, to repeat; empty = sorted
  int jobs = 1;                             // videos scored at the same time; 0 = one per processor
  Shard shard;                              // which part of the videos
  std::string journal;  // file of finished videos, to go on after an interruption; "" = none
  ProgressSink* progress = nullptr;  // none = silent

  // Throws UserError.
  void Validate() const;
};

// Pairs and scores folders: one Results per entry of `gens`. Mistakes of single pairs are rows with
// an error. The digits do not depend on `jobs`, on interruptions or on the other entries of `gens`.
// Throws UserError for mistakes of the whole call and when interrupted (see InterruptGuard).
std::vector<Results> EvaluateFolders(const EvaluateOptions& options);

// The line that TeaCache's eval.py prints: "lpips: 0.0089, psnr: 39.4694, ssim: 0.8708". Batches of
// 16 videos in the order of `results.videos`; in each the mean over its videos for every frame
// number, then over frame numbers; then the mean over batches. A metric that was not computed is
// "nan". Needs per-frame values. Throws UserError where the script fails: a pair with an error, or
// different lengths in a batch.
std::string TeaCacheLine(const Results& results);

struct TeaCacheMeans {
  double lpips = std::numeric_limits<double>::quiet_NaN();
  double psnr = std::numeric_limits<double>::quiet_NaN();
  double ssim = std::numeric_limits<double>::quiet_NaN();
};
// The numbers of that line; batch_eval.py is the same with batches of 8.
TeaCacheMeans MeansOfBatches(const Results& results, int batch_size = 16);

}  // namespace teacache
