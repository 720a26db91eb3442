#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace teacache {

// A metric as data: what files and pages need in order to show, order and compare its values. Every
// file of scores carries it, so that no reader knows a metric by name.
struct MetricInfo {
  std::string name = {};   // in files and on the command line: "psnr"
  std::string label = {};  // for people: "PSNR"
  std::string unit = {};   // "dB"; "" = none
  bool higher_is_better = true;
  int digits = 4;  // decimals in tables
  // The value of identical videos. Where it is infinite, such videos have no number in files: they
  // are counted, left out of means, and better than any other.
  double best = 1;
  bool needs_reference = true;  // compares with a ground truth, which then has no value itself
  std::string definition = {};  // one sentence; "" = unknown

  bool operator==(const MetricInfo&) const = default;
};

// The metric called `name`, or nullptr.
const MetricInfo* FindMetric(const std::vector<MetricInfo>& metrics, std::string_view name);

// Files of version 0.1.0 do not describe their metrics: PSNR, SSIM and LPIPS as they were then, and
// for any other name a metric of that name that is better when higher.
MetricInfo UndescribedMetric(std::string_view name);
// The names of that table, in its order.
std::vector<std::string> UndescribedMetrics();

// "PSNR, dB", "LPIPS (lower is better)", for axes and tables. `always`: also "(higher is better)".
std::string MetricTitle(const MetricInfo& metric, bool always = false);

}  // namespace teacache
