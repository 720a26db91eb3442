#pragma once

#include <string>
#include <vector>

#include "reports/sweep_data.h"

namespace teacache {

struct ConclusionOptions {
  // A threshold is recommended only when the worst 5 % of its videos keep at least this PSNR (dB)
  // against their uncached versions.
  double psnr_floor = 30;
};

// What a sweep shows, in sentences for people; the first is the verdict. Differences between
// TeaCache and a baseline count only beyond the 95 % interval of report.comparisons; where the
// baseline is as good or better the sentence says so. Every number in a sentence is one of the
// report's.
std::vector<std::string> DrawConclusions(const SweepReport& report,
                                         const ConclusionOptions& options = {});

// How a teacache row does against its baseline: +1 better, -1 worse beyond the interval, 0 neither.
// PSNR decides; SSIM where PSNR is missing.
int Verdict(const SweepComparison& comparison);

// The teacache row of `model` with the largest threshold whose worst 5 % keep the PSNR floor;
// nullptr when there is none.
const SweepRow* RecommendedRow(const SweepReport& report,
                               const std::string& model,
                               const ConclusionOptions& options = {});

}  // namespace teacache
