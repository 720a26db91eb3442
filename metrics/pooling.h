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
  // Resamplings of the videos for the 95 % interval; 0 = no interval.
  int bootstrap_samples = 10000;
  uint64_t seed = 0;             // of the resampling
  bool higher_is_better = true;  // whose 5 % are the worst: the lowest (PSNR, SSIM) or the highest
};

// "percentile bootstrap over videos, 10000 resamplings, seed 0", for results.
std::string IntervalText(const PoolingOptions& pooling);

// One value per video; identical videos (infinite values) are counted and left out. NaN is refused
// (std::invalid_argument: a defect of the caller). `frames` are the weights of the frame-weighted
// mean: empty, or one count per video.
MetricSummary Summarize(std::span<const double> values,
                        std::span<const int64_t> frames = {},
                        const PoolingOptions& options = {});

// mean(a_i - b_i) and its bootstrap interval over the videos that have finite values on both sides,
// and how often each side is better: an identical video (infinite value) beats every other one.
// Pairs with a missing value (NaN) are left out.
PairedDifference ComparePaired(std::span<const double> a,
                               std::span<const double> b,
                               const PoolingOptions& options = {});

}  // namespace teacache
