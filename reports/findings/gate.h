#pragma once

#include <vector>

#include "datasets/requirement.h"
#include "reports/data/report.h"

namespace teacache {

// --require of sweep-report: every requirement for every setting but the uncached ones, over its
// videos that were scored. A report without other settings has nothing scored.
std::vector<RequirementOutcome> CheckReport(const Report& report,
                                            const std::vector<Requirement>& requirements);

}  // namespace teacache
