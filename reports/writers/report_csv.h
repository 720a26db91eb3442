#pragma once

#include <string>

#include "reports/data/report.h"

namespace teacache {

// report.csv: one line per setting; videos.csv: one line per generated video. First line = column
// names; RFC 4180 quoting; an empty field is a value that is not known; numbers are written so that
// reading them gives the very numbers of report.json.
std::string ReportCsv(const Report& report);
std::string VideosCsv(const Report& report);

}  // namespace teacache
