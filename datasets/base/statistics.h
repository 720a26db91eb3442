#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace teacache {

// Summary statistics of samples. Sums run in the order of the input, so that the same values give
// the same digits. Values must not be NaN.

// A closed interval of numbers, or a confidence interval.
struct Interval {
  double lo = 0;
  double hi = 0;

  double width() const { return hi - lo; }
  bool Contains(double x) const { return x >= lo && x <= hi; }
};

// NaN when empty.
double Mean(std::span<const double> values);
// Square root of the sum of squares about the mean over n - 1; NaN for fewer than two values.
double SampleStd(std::span<const double> values);

// Percentile p in [0, 1] with linear interpolation between order statistics (numpy's default); NaN
// when empty.
double Percentile(std::vector<double> values, double p);
// The same of values that are ascending.
double PercentileOfSorted(std::span<const double> sorted, double p);
// The 50 % percentile: of an even number of values the mean of the two in the middle.
double Median(std::vector<double> values);
// Of an even number of values the larger of the two in the middle (Python's
// statistics.median_high), which is always one of the values. Not empty.
double MedianHigh(std::vector<double> values);

// Linear correlation; 0 where x or y is constant.
double Pearson(std::span<const double> x, std::span<const double> y);
// Pearson of the ranks; ties get their mean rank.
double Spearman(std::span<const double> x, std::span<const double> y);

// The non-decreasing sequence nearest to `values` in weighted least squares (pool adjacent
// violators).
std::vector<double> IsotonicRegression(std::span<const double> values,
                                       std::span<const double> weights);

// The 95 % interval of a share that was found in n trials (Wilson 1927).
Interval WilsonInterval(double share, double n);

// Draws with replacement. SplitMix64 (Steele, Lea, Flood 2014): the same on every platform.
class Resampler {
 public:
  explicit Resampler(uint64_t seed) : state_(seed) {}

  // Uniform in [0, n), by the high half of a 128-bit product; the bias is below n / 2^64.
  size_t Below(size_t n) {
    return static_cast<size_t>((static_cast<unsigned __int128>(Next()) * n) >> 64);
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

// The central 95 % of bootstrap replicates (percentile method), infinite or NaN ones left out;
// nothing where none is left.
std::optional<Interval> Interval95(std::vector<double> replicates);

// The bootstrap interval of any statistic of n things (values, groups, prompts, pairs of values):
// statistic(drawn) gets the indices of one resample, n of them with repetitions.
template <typename Statistic>
std::optional<Interval> Bootstrap(size_t n,
                                  int samples,
                                  uint64_t seed,
                                  const Statistic& statistic) {
  Resampler random(seed);
  std::vector<size_t> drawn(n);
  std::vector<double> replicates;
  for (int sample = 0; n > 0 && sample < samples; ++sample) {
    for (size_t& i : drawn) i = random.Below(n);
    replicates.push_back(statistic(std::span<const size_t>(drawn)));
  }
  return Interval95(std::move(replicates));
}

// Of the mean and of Percentile(values, p); nothing for fewer than two values.
std::optional<Interval> BootstrapMean(std::span<const double> values, int samples, uint64_t seed);
std::optional<Interval> BootstrapPercentile(std::span<const double> values,
                                            double p,
                                            int samples,
                                            uint64_t seed);

// Identical videos. A video that equals its reference in every pixel has an infinite PSNR. The rule
// for all summaries:
//   * it is counted, and left out of means, quantiles and their intervals (Finite),
//   * in a comparison of pairs it beats every finite value (BetterOfPair),
//   * it satisfies every target "psnr >= x".
// Where frames are capped (eval-metrics --psnr-cap, --compat), PSNR is finite and nothing of this
// applies.

// The values that are not infinite, in order.
std::vector<double> Finite(std::span<const double> values);

// 1 where `a` is better than `b`, -1 where it is worse, 0 where they are equal or one is NaN.
int BetterOfPair(double a, double b, bool higher_is_better);

}  // namespace teacache
