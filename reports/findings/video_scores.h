#pragma once

#include <string>

#include "datasets/results.h"
#include "metrics/pairs/score_video.h"
#include "reports/data/report.h"

namespace teacache {

// Writes what eval-metrics says of one pair into a video of a report: scores, identical, error.
void SetScores(const VideoScore& score, SweepVideo* video);

// Names everything that decides about scores: two equal texts, equal digits.
std::string ScoresDefinition(const ScoreOptions& options);

}  // namespace teacache
