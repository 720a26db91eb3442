#pragma once

#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// What a report shows, in sentences for people; the choice of each model comes first. A threshold
// is recommended only when the worst 5 % of its videos keep context.psnr_floor dB against their
// uncached versions. Differences between TeaCache and a baseline count only beyond the 95 %
// interval of report.comparisons; where the baseline is as good or better the sentence says so.
// Every number in a sentence is one of the report's.
std::vector<Conclusion> DrawConclusions(const Report& report);

// How a teacache row does against its baseline: +1 better, -1 worse beyond the interval, 0 neither.
// By the DecidingMetric.
int Verdict(const Report& report, const ReportComparison& comparison);

// The teacache row of `model` that keeps the PSNR floor with the fewest computed calls; of those
// with one coefficient set that is the largest threshold. nullptr = no row keeps it.
const ReportRow* RecommendedRow(const Report& report, const std::string& model);

}  // namespace teacache
