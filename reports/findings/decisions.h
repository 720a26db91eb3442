#pragma once

#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// What to choose, from rows that are summarized already. Rows without speed-up or without the
// metric are left out.

// Rows of `model` that no other row beats or equals in both speed-up (end to end) and the mean of
// `metric`, and their knee. A setting whose videos are all identical to
// the uncached ones is as good as can be.
ReportFront ParetoFront(const Report& report, const std::string& model, const std::string& metric);

// The fronts of all models and metrics against the uncached videos that have at least one row.
std::vector<ReportFront> ParetoFronts(const Report& report);

// For every model and coefficient set: the largest threshold whose worst videos keep `floor`, as
// all smaller ones do, over the videos that all of them have (ChooseThresholdForQuality).
std::vector<ReportDecision> ChooseThresholds(const Report& report, const ReportFloor& floor);

// Whether the metric tells the cached settings of `model` apart: the intervals of their means have
// no point in common. Of fewer than two settings with an interval also true: nothing is known.
bool TellsApart(const Report& report, const std::string& model, const MetricInfo& metric);

}  // namespace teacache
