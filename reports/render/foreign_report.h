#pragma once

#include <string>
#include <vector>

#include "reports/data/report.h"
#include "reports/render/foreign_runs.h"
#include "reports/render/render.h"

namespace teacache {

// The rows of one model's settings: videos paired and scored, times and schedules as their folders
// tell. Throws UserError, among others when not exactly one setting is the uncached one.
Report ReportForeignModel(const std::string& model,
                          std::vector<ForeignSetting> settings,
                          const RenderOptions& options);

// `path` as seen from the folder `out`, with '/' between parts.
std::string RelativePath(const std::string& path, const std::string& out);

}  // namespace teacache
