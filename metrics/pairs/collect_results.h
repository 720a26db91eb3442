#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/results.h"
#include "metrics/pairs/score_video.h"
#include "metrics/pooling.h"

namespace teacache {

// The full definitions of what is computed, for "context" in output files.
std::map<std::string, std::string> Definitions(const ScoreOptions& options,
                                               const PoolingOptions& pooling);

// Summary and definitions for rows that are already scored. Rows with an error do not count.
Results CollectResults(std::vector<VideoScore> videos,
                       const ScoreOptions& options = {},
                       const PoolingOptions& pooling = {});

// Requirements by metric, over the videos that were scored. `of`: the set's name where there are
// several.
std::vector<RequirementOutcome> CheckResults(const Results& results,
                                             const std::vector<Requirement>& requirements,
                                             const std::string& of = "");

// One set of results from those of several shards. Throws UserError when a video is in two of them,
// their definitions differ, or CheckParts refuses them. Of a result with missing parts
// context[kMissingParts] names these.
Results MergeResults(const std::vector<Results>& shards,
                     const PoolingOptions& pooling = {},
                     bool allow_missing_parts = false);

}  // namespace teacache
