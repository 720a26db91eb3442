#pragma once

#include <string>

#include "reports/data/report.h"

namespace teacache {

// report.md: the conclusions and one table per model in the form of the TeaCache paper
// (paper_table.h), ready to paste.
std::string ReportMarkdown(const Report& report);

}  // namespace teacache
