#include "metrics/pooling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

namespace teacache {

std::string IntervalText(const PoolingOptions& pooling) {
  return fmt::format("percentile bootstrap over videos, {} resamplings, seed {}",
                     pooling.bootstrap_samples,
                     pooling.seed);
}

MetricSummary Summarize(std::span<const double> values,
                        std::span<const int64_t> frames,
                        const PoolingOptions& options) {
  if (!frames.empty() && frames.size() != values.size()) {
    throw std::invalid_argument("Summarize: one frame count per value is needed");
  }
  MetricSummary summary;
  double weighted = 0;
  double weight = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) throw std::invalid_argument("Summarize: a value is NaN");
    if (std::isinf(values[i])) continue;
    const double w = frames.empty() ? 1.0 : static_cast<double>(frames[i]);
    weighted += w * values[i];
    weight += w;
  }
  const std::vector<double> finite = Finite(values);
  summary.n = std::ssize(finite);
  summary.identical = std::ssize(values) - summary.n;
  if (finite.empty()) return summary;
  summary.mean = Mean(finite);
  summary.median = Median(finite);
  summary.std = SampleStd(finite);
  const auto [min, max] = std::minmax_element(finite.begin(), finite.end());
  summary.min = *min;
  summary.max = *max;
  summary.p5 = Percentile(finite, options.higher_is_better ? 0.05 : 0.95);
  if (weight > 0) summary.frame_weighted_mean = weighted / weight;
  summary.ci95 = BootstrapMean(finite, options.bootstrap_samples, options.seed);
  return summary;
}

PairedDifference ComparePaired(std::span<const double> a,
                               std::span<const double> b,
                               const PoolingOptions& options) {
  if (a.size() != b.size()) throw std::invalid_argument("ComparePaired: sizes differ");
  PairedDifference out;
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) {
    const int better = BetterOfPair(a[i], b[i], options.higher_is_better);
    if (better != 0) ++(better > 0 ? out.a_better : out.b_better);
    if (std::isfinite(a[i]) && std::isfinite(b[i])) differences.push_back(a[i] - b[i]);
  }
  out.n = std::ssize(differences);
  out.mean = Mean(differences);
  out.std = SampleStd(differences);
  out.ci95 = BootstrapMean(differences, options.bootstrap_samples, options.seed);
  return out;
}

}  // namespace teacache
