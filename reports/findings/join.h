#pragma once

#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// A report and where it lies: the folder's path relative to that of the joined report, "" = there.
struct FoundReport {
  std::string folder;
  Report report;
};

// One report of several: rows, fits and models side by side. Models of equal name are distinguished
// by a number, row ids by their model; prompts are put together, and paths of videos start at the
// joined report's folder. Fit prompts of one that are test prompts of another are no contradiction:
// each keeps its own model. Everything that is computed from rows is computed again. Throws
// UserError when there is no report.
Report JoinReports(std::vector<FoundReport> reports);

}  // namespace teacache
