#pragma once

#include <string>

#include "reports/data/report.h"

namespace teacache {

// report.md: the conclusions and one table per model in the form of the TeaCache paper (method,
// calls, speed-up, latency, scores; means over the test videos), ready to paste.
std::string ReportMarkdown(const Report& report);

}  // namespace teacache
