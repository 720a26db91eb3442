#pragma once

#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// What a report shows, in sentences for people; the choice of each model comes first: the fastest
// setting of all policies that keeps context.floor (choices.h), and TeaCache's beside it.
// Differences between TeaCache and a baseline count only beyond the 95 % interval of
// report.comparisons; where the baseline is as good or better the sentence says so. Every number in
// a sentence is one of the report's.
std::vector<Conclusion> DrawConclusions(const Report& report);

// How a teacache row does against its baseline: +1 better, -1 worse beyond the interval, 0 neither.
// By the DecidingMetric.
int Verdict(const Report& report, const ReportComparison& comparison);

}  // namespace teacache
