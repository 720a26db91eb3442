#pragma once

#include "reports/data/report.h"

namespace teacache {

// Adds to ReportRow::notes what a reader must know about rows that are summarized already: settings
// that skip nothing or everything that may be skipped, videos that are missing or failed, averages
// over fewer videos than other rows have, files of another codec than the uncached ones, baselines
// that could not be given as many computed calls, seconds that contradict the paired speed-up. A
// sentence that is there already is not added again.
void AddRowNotes(Report* report);

}  // namespace teacache
