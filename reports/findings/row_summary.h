#pragma once

#include <optional>
#include <vector>

#include "metrics/pooling.h"
#include "reports/data/report.h"

namespace teacache {

// What follows from the videos of one row alone (SummarizeSweep says what each field is).

void SummarizeCalls(SweepRow* row);
void SummarizeReplay(SweepRow* row);
void SummarizeScenes(SweepRow* row);

using VideoSeconds = double SweepVideo::*;
using VideoRuns = std::vector<double> SweepVideo::*;
// Of all timed runs; of the videos' own seconds where there are no runs (`runs` may be nullptr).
SweepTiming SummarizeTiming(const SweepRow& row, VideoSeconds seconds, VideoRuns runs);

// The videos without error, in the order in which eval-metrics pools them.
std::vector<const SweepVideo*> InOrderOfNames(const SweepRow& row);

using VideoScoreField = std::optional<double> SweepVideo::*;
std::optional<SweepMetric> SummarizeMetric(const std::vector<const SweepVideo*>& videos,
                                           VideoScoreField score,
                                           const PoolingOptions& options);
std::vector<SweepExtra> SummarizeExtra(const std::vector<const SweepVideo*>& videos,
                                       const std::vector<SweepMetricInfo>& metrics,
                                       PoolingOptions options);

}  // namespace teacache
