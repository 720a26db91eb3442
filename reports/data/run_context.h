#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// The part of a ReportContext that follows from where the program runs: tool version, git commit of
// the build ("" = unknown), start time (now), host, system, processor, load, libraries. `device`
// and `threads` as the run uses them; argv[0] is cut to the program's name.
ReportContext DescribeRun(const std::vector<std::string>& argv,
                          const std::string& device,
                          int threads);

// "2026-01-02T03:04:05Z" of a time in seconds since 1970.
std::string UtcTime(int64_t seconds);

// One-minute load average, this program's own work included; -1 = unknown.
double MachineLoad();

}  // namespace teacache
