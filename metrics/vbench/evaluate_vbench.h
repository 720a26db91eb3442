#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/base/progress.h"
#include "datasets/video/video.h"
#include "datasets/work/shard.h"
#include "metrics/pooling.h"
#include "metrics/vbench/results.h"
#include "metrics/vbench/scorer.h"

namespace teacache {

struct VbenchOptions {
  std::string videos;      // a folder of videos (see FindVideos)
  bool recursive = false;  // search folders in folders
  // VBench_full_info.json: which prompts there are, and for what. "" with `custom`.
  std::string full_info;
  bool custom = false;      // own prompts: every video for every dimension
  std::string prompt_file;  // with `custom`: prompts by file name; "" = from the file names
  int samples = 5;          // videos per prompt of the suite
  // Dimensions to compute, each known to one of `scorers`.
  std::vector<const VbenchDimension*> dimensions;
  std::vector<std::shared_ptr<const VbenchScorer>> scorers;
  VideoReaderOptions reader;
  int batch = 8;  // frames decoded before the scorers see them, and the networks' batch
  PoolingOptions pooling;
  int jobs = 1;  // videos scored at the same time; 0 = one per processor
  Shard shard;
  std::string journal;               // file of finished videos; "" = none
  ProgressSink* progress = nullptr;  // none = silent

  // Throws UserError.
  void Validate() const;
};

// Pairs, decodes each video once and scores it in all of its dimensions. Mistakes of single videos
// are in their rows. The digits do not depend on `jobs`, shards or interruptions. Throws UserError
// for mistakes of the whole call and when interrupted.
VbenchResults EvaluateVbench(const VbenchOptions& options);

// One video as EvaluateVbench scores each; of `options`, dimensions are those of the video, and
// only scorers, reader and batch are looked at. A mistake of the video is in its row.
VbenchVideoScore ScoreVbenchVideo(const VbenchOptions& options, const SuiteVideo& video);

}  // namespace teacache
