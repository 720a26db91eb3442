#include "datasets/base/statistics.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

namespace teacache {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> Ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin) + static_cast<double>(end - 1)) / 2;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

}  // namespace

double Mean(std::span<const double> values) {
  if (values.empty()) return kNan;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double SampleStd(std::span<const double> values) {
  if (values.size() < 2) return kNan;
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double PercentileOfSorted(std::span<const double> sorted, double p) {
  if (sorted.empty()) return kNan;
  const double position = p * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(position);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double fraction = position - static_cast<double>(below);
  return sorted[below] + fraction * (sorted[below + 1] - sorted[below]);
}

double Percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  return PercentileOfSorted(values, p);
}

double Median(std::vector<double> values) {
  if (values.empty()) return kNan;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  const double below = *std::max_element(values.begin(), middle);
  return below + 0.5 * (*middle - below);
}

double MedianHigh(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double Pearson(std::span<const double> x, std::span<const double> y) {
  const double mean_x = Mean(x);
  const double mean_y = Mean(y);
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

double Spearman(std::span<const double> x, std::span<const double> y) {
  return Pearson(Ranks(x), Ranks(y));
}

std::vector<double> IsotonicRegression(std::span<const double> values,
                                       std::span<const double> weights) {
  struct Block {
    double mean;
    double weight;
    size_t count;
  };
  std::vector<Block> blocks;
  for (size_t i = 0; i < values.size(); ++i) {
    blocks.push_back({values[i], weights[i], 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean > blocks.back().mean) {
      const Block last = blocks.back();
      blocks.pop_back();
      Block& into = blocks.back();
      const double weight = into.weight + last.weight;
      into.mean = (into.mean * into.weight + last.mean * last.weight) / weight;
      into.weight = weight;
      into.count += last.count;
    }
  }
  std::vector<double> fitted;
  for (const Block& block : blocks) fitted.insert(fitted.end(), block.count, block.mean);
  return fitted;
}

Interval WilsonInterval(double share, double n) {
  constexpr double kZ = 1.959963984540054;
  const double center = share + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (center - half) / scale), std::min(1.0, (center + half) / scale)};
}

std::optional<Interval> Interval95(std::vector<double> replicates) {
  std::erase_if(replicates, [](double value) { return !std::isfinite(value); });
  if (replicates.empty()) return std::nullopt;
  std::sort(replicates.begin(), replicates.end());
  return Interval{PercentileOfSorted(replicates, 0.025), PercentileOfSorted(replicates, 0.975)};
}

std::optional<Interval> BootstrapMean(std::span<const double> values, int samples, uint64_t seed) {
  if (values.size() < 2) return std::nullopt;
  return Bootstrap(values.size(), samples, seed, [values](std::span<const size_t> drawn) {
    // About the first value, so that equal values give an interval without rounding.
    double sum = 0;
    for (const size_t i : drawn) sum += values[i] - values[0];
    return values[0] + sum / static_cast<double>(values.size());
  });
}

std::optional<Interval> BootstrapPercentile(std::span<const double> values,
                                            double p,
                                            int samples,
                                            uint64_t seed) {
  if (values.size() < 2) return std::nullopt;
  std::vector<double> resample(values.size());
  return Bootstrap(values.size(), samples, seed, [&](std::span<const size_t> drawn) {
    std::ranges::transform(drawn, resample.begin(), [values](size_t i) { return values[i]; });
    std::ranges::sort(resample);
    return PercentileOfSorted(resample, p);
  });
}

std::vector<double> Finite(std::span<const double> values) {
  std::vector<double> finite;
  std::ranges::copy_if(
      values, std::back_inserter(finite), [](double value) { return std::isfinite(value); });
  return finite;
}

int BetterOfPair(double a, double b, bool higher_is_better) {
  const int sign = a > b ? 1 : a < b ? -1 : 0;
  return higher_is_better ? sign : -sign;
}

}  // namespace teacache
