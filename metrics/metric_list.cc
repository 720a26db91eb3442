#include "metrics/metric_list.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "datasets/base/error.h"
#include "metrics/frames/ms_ssim.h"
#include "metrics/frames/psnr.h"
#include "metrics/frames/ssim.h"
#include "metrics/networks_module.h"

namespace teacache {
namespace {

using MetricPtr = std::shared_ptr<const Metric>;

MetricPtr MakePsnr(const MetricOptions& o) { return std::make_shared<PsnrMetric>(o.psnr_cap); }
MetricPtr MakeSsim(const MetricOptions& o) {
  return std::make_shared<SsimMetric>(ParseSsimVariant(o.ssim_variant));
}
MetricPtr MakeLpips(const MetricOptions& o) { return LoadNetworksModule("LPIPS").MakeLpips(o); }

// One line per metric.
constexpr MetricEntry kMetrics[] = {
    {"psnr", true, MakePsnr},
    {"ssim", true, MakeSsim},
    {"ms-ssim",
     false,
     [](const MetricOptions&) -> MetricPtr { return std::make_shared<MsSsimMetric>(); }},
    {"lpips", true, MakeLpips},
};

}  // namespace

std::span<const MetricEntry> MetricList() { return kMetrics; }

std::string MetricNames(bool by_default_only) {
  std::string names;
  for (const MetricEntry& entry : kMetrics) {
    if (entry.by_default || !by_default_only)
      names += (names.empty() ? "" : ",") + std::string(entry.name);
  }
  return names;
}

Metrics MakeMetrics(const std::string& names, const MetricOptions& options) {
  std::set<std::string> wanted;
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');) {
    if (std::ranges::find(kMetrics, name, &MetricEntry::name) == std::ranges::end(kMetrics)) {
      ThrowUserError("--metrics", "must be any of {} but has \"{}\"", MetricNames(), name);
    }
    wanted.insert(name);
  }
  if (wanted.empty()) ThrowUserError("--metrics", "must name at least one of {}", MetricNames());
  Metrics metrics;
  for (const MetricEntry& entry : kMetrics) {
    if (wanted.contains(std::string(entry.name))) metrics.push_back(entry.make(options));
  }
  return metrics;
}

Metrics ChooseMetrics(const std::string& names,
                      const MetricOptions& options,
                      std::vector<std::string>* notes) {
  if (!names.empty()) return MakeMetrics(names, options);
  Metrics metrics;
  for (const MetricEntry& entry : kMetrics) {
    if (!entry.by_default) continue;
    try {
      metrics.push_back(entry.make(options));
    } catch (const NotInstalled& missing) {
      if (!options.weights.empty()) throw;
      notes->push_back(missing.subject + " was left out: " + missing.reason);
    }
  }
  return metrics;
}

std::string NamesOf(const Metrics& metrics) {
  std::string names;
  for (const auto& metric : metrics) names += (names.empty() ? "" : ",") + metric->info().name;
  return names;
}

}  // namespace teacache
