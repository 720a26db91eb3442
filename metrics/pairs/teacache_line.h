#pragma once

#include <limits>
#include <string>

#include "datasets/results.h"

namespace teacache {

// The line that TeaCache's eval.py prints: "lpips: 0.0089, psnr: 39.4694, ssim: 0.8708". Batches of
// 16 videos in the order of `results.videos`; in each the mean over its videos for every frame
// number, then over frame numbers; then the mean over batches. A metric that was not computed is
// "n/a". Needs per-frame values. Throws UserError where the script fails: a pair with an error, or
// different lengths in a batch.
std::string TeaCacheLine(const Results& results);

struct TeaCacheMeans {
  double lpips = std::numeric_limits<double>::quiet_NaN();
  double psnr = std::numeric_limits<double>::quiet_NaN();
  double ssim = std::numeric_limits<double>::quiet_NaN();
};
// The numbers of that line; batch_eval.py is the same with batches of 8.
TeaCacheMeans MeansOfBatches(const Results& results, int batch_size = 16);

}  // namespace teacache
