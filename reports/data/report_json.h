#pragma once

#include <string>
#include <string_view>

#include "reports/data/report.h"

namespace teacache {

// report.json: {"format": "teacache-sweep", "version": 2, "context": {...}, "models": [...],
// "metrics": [...], "fits": [...], "rows": [...], "comparisons": [...], "choices": [...],
// "requirements": [...], "conclusions": [...]}, keys named as the members in report.h. What is not
// known is null (numbers are never NaN or Infinity); a schedule (ReportVideo::computed) is a string
// with one '1' (computed) or '0' (skipped) per call. `indent` spaces per level; -1 = all in one
// line.
std::string ReportJson(const Report& report, int indent = 1);

// Reads what ReportJson writes. Missing fields keep their defaults; a wrong format, a newer
// version, an unknown field or a value of the wrong kind throws UserError naming place and field.
// Version 1 (0.1.0) has the scores as members "psnr", "ssim", "lpips" and "extra", and describes
// the last only.
Report ParseReportJson(std::string_view text, std::string_view where);

// Adds to report->metrics, in front, those of the scores that it lacks (UndescribedMetric).
void DescribeMetrics(Report* report);

void WriteReportJson(const std::string& path, const Report& report);
Report ReadReportJson(const std::string& path);

}  // namespace teacache
