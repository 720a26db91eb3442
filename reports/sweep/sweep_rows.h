#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calib/rules/teacache_mode.h"
#include "reports/data/report.h"
#include "reports/sweep/sweep_calibration.h"
#include "reports/sweep/sweep_settings.h"
#include "reports/sweep/sweep_store.h"
#include "reports/sweep/sweep_videos.h"
#include "reports/sweep/trace_store.h"
#include "runners/systems/system.h"

namespace teacache {

// From the finished videos of a sweep to what its report holds.

ReportModel DescribeModel(const SystemInfo& info, TeaCacheMode mode);

// Which videos a report has: all settings, prompts and seeds.
struct SweepExtent {
  const std::vector<SweepSetting>& settings;
  const std::vector<std::string>& prompts;
  const std::vector<int64_t>& seeds;
};

// Fills ReportVideo::replayed with the schedules that fit-coeffs makes of the prompts' uncached
// runs, which go into `trace_path`. False when not all of those were recorded.
bool ReplaySchedules(const SweepExtent& extent,
                     const SweepCalibration& calibration,
                     const TraceStore& traces,
                     const std::string& trace_path,
                     SweepVideos* videos);

// What is known of one setting; SummarizeReport computes the rest.
ReportRow MakeRow(const SweepSetting& setting,
                  const SweepExtent& extent,
                  const SystemInfo& info,
                  const SweepCalibration& calibration,
                  const SweepVideos& videos,
                  const SweepStore& store);

}  // namespace teacache
