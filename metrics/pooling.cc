#include "metrics/pooling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace teacache {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// SplitMix64 (Steele, Lea, Flood 2014): the same stream on every platform.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // Uniform in [0, n) by the high half of a 128-bit product; the bias is below n / 2^64.
  uint64_t Below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * n) >> 64);
  }

 private:
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  uint64_t state_;
};

// Square root of the sum of squares about the mean over n - 1.
double SampleStd(std::span<const double> values, double mean) {
  if (values.size() < 2) return kNan;
  double sum = 0;
  for (double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

}  // namespace

double Percentile(std::vector<double> values, double p) {
  if (values.empty()) return kNan;
  std::sort(values.begin(), values.end());
  const double position = p * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, values.size() - 1);
  const double fraction = position - static_cast<double>(below);
  return values[below] + fraction * (values[above] - values[below]);
}

Interval BootstrapMean(std::span<const double> values, int samples, uint64_t seed) {
  if (values.size() < 2 || samples < 1) return {};
  Random random(seed);
  // About the first value, so that equal values give an interval without rounding.
  const double base = values[0];
  std::vector<double> means(samples);
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[random.Below(values.size())] - base;
    mean = base + sum / static_cast<double>(values.size());
  }
  const double lo = Percentile(means, 0.025);
  return {lo, Percentile(std::move(means), 0.975)};
}

Interval BootstrapPercentile(std::span<const double> values, double p, int samples, uint64_t seed) {
  if (values.size() < 2 || samples < 1) return {};
  Random random(seed);
  std::vector<double> replicates(samples);
  std::vector<double> resample(values.size());
  for (double& replicate : replicates) {
    for (double& value : resample) value = values[random.Below(values.size())];
    replicate = Percentile(resample, p);
  }
  const double lo = Percentile(replicates, 0.025);
  return {lo, Percentile(std::move(replicates), 0.975)};
}

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
  std::vector<double> finite;
  double weighted = 0;
  double weight = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) throw std::invalid_argument("Summarize: a value is NaN");
    if (std::isinf(values[i])) {
      ++summary.identical;
      continue;
    }
    finite.push_back(values[i]);
    const double w = frames.empty() ? 1.0 : static_cast<double>(frames[i]);
    weighted += w * values[i];
    weight += w;
  }
  summary.n = static_cast<int64_t>(finite.size());
  if (finite.empty()) return summary;
  summary.mean = Mean(finite);
  summary.median = Percentile(finite, 0.5);
  summary.std = SampleStd(finite, summary.mean);
  const auto [min, max] = std::minmax_element(finite.begin(), finite.end());
  summary.min = *min;
  summary.max = *max;
  summary.p5 = Percentile(finite, options.higher_is_better ? 0.05 : 0.95);
  if (weight > 0) summary.frame_weighted_mean = weighted / weight;
  const Interval interval = BootstrapMean(finite, options.bootstrap_samples, options.seed);
  summary.ci95_lo = interval.lo;
  summary.ci95_hi = interval.hi;
  return summary;
}

PairedDifference ComparePaired(std::span<const double> a,
                               std::span<const double> b,
                               const PoolingOptions& options) {
  if (a.size() != b.size()) throw std::invalid_argument("ComparePaired: sizes differ");
  PairedDifference out;
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) continue;
    const double difference = a[i] - b[i];
    differences.push_back(difference);
    if (difference != 0) {
      ++(((difference > 0) == options.higher_is_better) ? out.a_better : out.b_better);
    }
  }
  out.n = static_cast<int64_t>(differences.size());
  out.mean = Mean(differences);
  out.std = SampleStd(differences, out.mean);
  const Interval interval = BootstrapMean(differences, options.bootstrap_samples, options.seed);
  out.ci95_lo = interval.lo;
  out.ci95_hi = interval.hi;
  return out;
}

}  // namespace teacache
