#pragma once

#include <cstdint>

#include "reports/data/report.h"

namespace teacache {

struct SummaryOptions {
  int bootstrap_samples = 10000;  // resamplings of the videos for every interval; >= 100
  uint64_t seed = 0;              // of the resampling
};

// Computes everything that follows from the videos of the rows (ReportRow::videos) and from
// context.floor, in place:
//   rows         computed_mean/min/max, longest_skip, replayed_..., timings (median and quartiles
//                over all timed runs), speed-ups, scores where any video has them, adherence,
//                scene_iou, failed, and notes about all this
//   comparisons  every row with `matches` against the teacache row it matches, pair by pair
//   fronts, decisions (decisions.h) and conclusions (conclusions.h)
// Videos with an error count nowhere. Scores are pooled in natural order of the files' names, as
// eval-metrics pools them, so that the figures are its figures to the digit. A speed-up is the
// median over the videos of the ratio of uncached to cached seconds, the ratio of a video being the
// median over its timed runs, each against the uncached run of the same round; its interval
// resamples the videos. Results depend on the values and the seed only. Reports of more
// than 500 rows are resampled 1000 times at most. Throws UserError when two rows have one id, when
// `matches` names no row, when a video belongs to no prompt or when a score is not finite.
void SummarizeReport(Report* report, const SummaryOptions& options = {});

// How many times faster the videos of `after` are than the same ones of `before`, end to end.
ReportSpeedup PairedSpeedup(const ReportRow& before,
                            const ReportRow& after,
                            const SummaryOptions& options = {});

}  // namespace teacache
