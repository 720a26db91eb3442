#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/metric.h"

namespace teacache {

struct MetricEntry {
  std::string_view name;
  bool by_default;  // computed where no metrics are named
  // Throws UserError for a mistake in the options, NotInstalled where something is missing.
  std::shared_ptr<const Metric> (*make)(const MetricOptions& options);
};

// Every metric, in the order in which they are computed and shown.
std::span<const MetricEntry> MetricList();

// "psnr,ssim,lpips"
std::string MetricNames(bool by_default_only = false);

// Those of `names`, separated by commas, in the order of the list. Throws UserError for an unknown
// name or none.
Metrics MakeMetrics(const std::string& names, const MetricOptions& options = {});

// As MakeMetrics. Without names those by default: of these, one that is not installed is left out,
// and a sentence in `notes` says why; an error where options.weights names a folder.
Metrics ChooseMetrics(const std::string& names,
                      const MetricOptions& options,
                      std::vector<std::string>* notes);

// "psnr,ssim"
std::string NamesOf(const Metrics& metrics);

}  // namespace teacache
