#include "datasets/metric_info.h"

#include <algorithm>
#include <array>

namespace teacache {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

const std::array<MetricInfo, 3>& Undescribed() {
  static const std::array<MetricInfo, 3> metrics = {{
      {"psnr", "PSNR", "dB", true, 2, kInf, true, ""},
      {"ssim", "SSIM", "", true, 4, 1, true, ""},
      {"lpips", "LPIPS", "", false, 4, 0, true, ""},
  }};
  return metrics;
}

}  // namespace

const MetricInfo* FindMetric(const std::vector<MetricInfo>& metrics, std::string_view name) {
  const auto found = std::ranges::find(metrics, name, &MetricInfo::name);
  return found == metrics.end() ? nullptr : &*found;
}

MetricInfo UndescribedMetric(std::string_view name) {
  const auto found = std::ranges::find(Undescribed(), name, &MetricInfo::name);
  if (found != Undescribed().end()) return *found;
  MetricInfo metric;
  metric.name = metric.label = name;
  return metric;
}

std::vector<std::string> UndescribedMetrics() {
  std::vector<std::string> names;
  for (const MetricInfo& metric : Undescribed()) names.push_back(metric.name);
  return names;
}

std::string MetricTitle(const MetricInfo& metric, bool always) {
  std::string title = metric.label + (metric.unit.empty() ? "" : ", " + metric.unit);
  if (!metric.higher_is_better) title += " (lower is better)";
  if (metric.higher_is_better && always) title += " (higher is better)";
  return title;
}

}  // namespace teacache
