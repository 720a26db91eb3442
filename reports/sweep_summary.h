#pragma once

#include <cstdint>

#include "reports/conclusions.h"
#include "reports/sweep_data.h"

namespace teacache {

struct SweepSummaryOptions {
  int bootstrap_samples = 10000;  // resamplings of the videos for every interval; >= 100
  uint64_t seed = 0;              // of the resampling
  ConclusionOptions conclusions = {};
};

// Computes everything that follows from the videos of the rows (SweepRow::videos), in place:
//   rows         computed_mean/min/max, longest_skip, timings (median and quartiles), speed-ups,
//   and
//                psnr, ssim, lpips where any video has them
//   comparisons  every row with `matches` against the teacache row it matches, pair by pair
//   conclusions  DrawConclusions
// Videos with an error count nowhere. A speed-up is the ratio of the medians of uncached and cached
// seconds over the prompts and seeds that both have; its interval resamples these. Results depend
// on the values and the seed only. Throws UserError when two rows have one id, when `matches` names
// no row, when a video belongs to no
// prompt or when a score is not finite.
void SummarizeSweep(SweepReport* report, const SweepSummaryOptions& options = {});

}  // namespace teacache
