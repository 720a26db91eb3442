#pragma once

#include <string>
#include <vector>

#include "datasets/base/progress.h"
#include "datasets/results.h"
#include "datasets/video/video.h"
#include "datasets/work/shard.h"
#include "metrics/pairs/pairing.h"
#include "metrics/pairs/score_video.h"
#include "metrics/pooling.h"

namespace teacache {

struct EvaluateOptions {
  std::string gt;                 // a video, folder or list (see FindVideos)
  std::vector<std::string> gens;  // the same; all are scored in one pass over `gt`
  ScoreOptions score;
  PoolingOptions pooling;
  VideoReaderOptions reader;
  bool recursive = false;  // search folders in folders
  Items items = Items::kVideos;
  // Pair, decode and cap as TeaCache's eval.py does (see PairAsTeaCache, TeaCacheLine).
  bool teacache = false;
  std::vector<std::string> teacache_order;  // its listing order, to repeat; empty = sorted
  // Videos scored at the same time. 0 = one per processor, but no more than keep the frames that
  // are in memory below about 100 MB.
  int jobs = 1;
  Shard shard;          // which part of the videos
  std::string journal;  // file of finished videos, to go on after an interruption; "" = none
  ProgressSink* progress = nullptr;  // none = silent
  std::vector<std::string> notes;    // for the user: warned of once the folders are paired

  // Throws UserError.
  void Validate() const;
};

// Pairs and scores folders: one Results per entry of `gens`. Mistakes of single pairs are rows with
// an error. The digits do not depend on `jobs`, on interruptions or on the other entries of `gens`.
// Throws UserError for mistakes of the whole call, Interruption when interrupted (see
// InterruptGuard).
std::vector<Results> EvaluateFolders(const EvaluateOptions& options);

}  // namespace teacache
