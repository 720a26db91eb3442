#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/base/statistics.h"
#include "datasets/results.h"

namespace teacache {

// Summaries over videos. Every sum runs in the order of its input, so that the same videos give the
// same digits whatever the number of jobs or shards.

struct PoolingOptions {
  int bootstrap_samples =
      10000;                     // resamplings of the videos for the 95 % interval; 0 = no interval
  uint64_t seed = 0;             // of the resampling
  bool higher_is_better = true;  // whose 5 % are the worst: the lowest (PSNR, SSIM) or the highest
};

// "percentile bootstrap over videos, 10000 resamplings, seed 0", for results.
std::string IntervalText(const PoolingOptions& pooling);

// One value per video; infinite values (identical videos) are counted and kept out of the means,
// NaN is refused (std::invalid_argument: a defect of the caller). `frames` weighs the
// frame-weighted mean: empty, or one count per video.
MetricSummary Summarize(std::span<const double> values,
                        std::span<const int64_t> frames = {},
                        const PoolingOptions& options = {});

// mean(a_i - b_i) and its bootstrap interval over videos. Pairs with an infinite or missing (NaN)
// value on either side are left out.
PairedDifference ComparePaired(std::span<const double> a,
                               std::span<const double> b,
                               const PoolingOptions& options = {});

// Linear interpolation between order statistics (numpy's default), 0 <= p <= 1; NaN when empty.
double Percentile(std::vector<double> values, double p);

// Percentile interval [2.5 %, 97.5 %] of the mean over resampled values; NaN for fewer than two.
struct Interval {
  double lo = std::numeric_limits<double>::quiet_NaN();
  double hi = std::numeric_limits<double>::quiet_NaN();
};
Interval BootstrapMean(std::span<const double> values, int samples, uint64_t seed);
// The same of Percentile(values, p).
Interval BootstrapPercentile(std::span<const double> values, double p, int samples, uint64_t seed);

}  // namespace teacache
