#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/requirement.h"
#include "datasets/results.h"
#include "metrics/pooling.h"
#include "metrics/vbench/dimensions.h"
#include "metrics/vbench/video_score.h"

namespace teacache {

// What vbench-score writes.
//
// results.json:
//   {"format": "teacache-vbench", "version": 1, "context": {name: text},
//    "dimensions": {name: {"score", "pooling", and as "summary" of results.json of eval-metrics:
//                          "mean", "median", "std", "min", "max", "ci95", "p5",
//                          "frame_weighted_mean", "n"}},
//    "videos": [{"name", "prompt", "auxiliary_info", "dimensions", "frames",
//                "scores": {dimension: {"value", "weight", "frames"}}, "video": {...},
//                "errors": {dimension: text}}],
//    "missing": [...], "extra": [...], "left_out": [...], "warnings": [...],
//    "requirements": [...]}   (as in results.json of eval-metrics; both only where there are any)
// "score" is upstream's number for all videos; "mean" is over videos, "ci95" its bootstrap
// interval.

struct VbenchSummary {
  double score = 0;
  MetricSummary videos;  // over videos; for imaging_quality / 100, as the score
};

struct VbenchResults {
  static constexpr int kVersion = 1;
  std::map<std::string, std::string> context;
  std::map<std::string, VbenchSummary> summary;  // of dimensions with at least one video
  std::vector<VbenchVideoScore> videos;
  std::vector<std::string> missing;   // videos that prompts should have
  std::vector<std::string> extra;     // files that belong to no prompt
  std::vector<std::string> left_out;  // files that could be opened as video but are not scored
  std::vector<std::string> warnings;
  std::vector<RequirementOutcome> requirements;

  int64_t NumErrors() const;  // videos with an error
};

// Fills `summary` from the videos, in their order.
void SummarizeVbench(const PoolingOptions& pooling, VbenchResults* results);

// Requirements by dimension, over the videos that count in it.
std::vector<RequirementOutcome> CheckVbench(const VbenchResults& results,
                                            const std::vector<Requirement>& requirements);

// One set of results from those of several shards. The videos are in the order in which the shards
// would have taken them in turn. Throws UserError when a video is in two of them, their contexts
// differ, or CheckParts refuses them. Of a result with missing parts context[kMissingParts] names
// these.
VbenchResults MergeVbench(const std::vector<VbenchResults>& shards,
                          const PoolingOptions& pooling,
                          bool allow_missing_parts = false);

std::string VbenchResultsToJson(const VbenchResults& results);
VbenchResults ReadVbenchResults(const std::string& path);

// Upstream's two files: {dimension: [score, [{"video_path", "video_results", ...}]]} and the list
// of prompts with their "video_list".
std::string VbenchEvalResults(const VbenchResults& results);
std::string VbenchFullInfo(const VbenchResults& results);

// One row per video: name, prompt, a column per dimension, frames, codec, size, frame rate, errors.
std::string VbenchCsv(const VbenchResults& results);

// Tables for people.
std::string VbenchText(const VbenchResults& results);

}  // namespace teacache
