#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/results.h"
#include "metrics/pairs/score_video.h"
#include "metrics/vbench/evaluate_vbench.h"
#include "reports/data/report.h"

namespace teacache {

// What eval-metrics and vbench-score say of videos, as a report holds it.

// Writes what eval-metrics says of one pair into a video of a report: scores, identical, error.
void SetScores(const VideoScore& score, ReportVideo* video);

// Names everything that decides about scores: two equal texts, equal digits.
std::string ScoresDefinition(const ScoreOptions& options);

// VBench's dimensions in a report, with the figures of `vbench-score --custom`: every video in
// every dimension, whatever VBench's own prompts are for.

// The dimensions that need nothing but the frames.
VbenchOptions NativeVbench();

// What the dimensions are, for Report::metrics.
std::vector<MetricInfo> VbenchMetrics(const VbenchOptions& options);

// Names everything that decides about the scores: two equal texts, equal digits.
std::string VbenchDefinition(const VbenchOptions& options);

// Of one video as vbench-score gives them, in the scale of a dimension's score. Dimensions that
// could not be computed are not among them.
std::map<std::string, double> VbenchScores(const VbenchVideoScore& score);

// Tells in one sentence for each dimension which of the videos have no score, and why: `failed` has
// what ScoreVbenchVideo says of single videos.
std::vector<std::string> VbenchWarnings(const std::vector<VbenchVideoScore>& failed);

}  // namespace teacache
