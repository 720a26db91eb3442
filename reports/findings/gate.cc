#include "reports/findings/gate.h"

#include <limits>

namespace teacache {
namespace {

std::vector<double> ValuesOf(const ReportRow& row, const MetricInfo& metric) {
  std::vector<double> values;
  for (const ReportVideo& video : row.videos) {
    if (!video.error.empty()) continue;
    const auto found = video.scores.find(metric.name);
    if (found != video.scores.end()) {
      values.push_back(found->second);
    } else if (video.identical && metric.needs_reference) {
      values.push_back(metric.best);  // infinite, which files cannot hold
    }
  }
  return values;
}

}  // namespace

std::vector<RequirementOutcome> CheckReport(const Report& report,
                                            const std::vector<Requirement>& requirements) {
  std::vector<RequirementOutcome> outcomes;
  for (const Requirement& requirement : requirements) {
    const MetricInfo* metric = FindMetric(report.metrics, requirement.metric);
    bool any = false;
    for (const ReportRow& row : report.rows) {
      if (row.policy == "none" || metric == nullptr) continue;
      any = true;
      outcomes.push_back(
          CheckRequirement(requirement, ValuesOf(row, *metric), metric->higher_is_better, row.id));
    }
    if (!any) outcomes.push_back(CheckRequirement(requirement, {}, true));
  }
  return outcomes;
}

}  // namespace teacache
