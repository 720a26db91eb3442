#pragma once

#include <vector>

#include "calib/replay/replay.h"

namespace teacache {

// One threshold of a sweep; means are over runs.
struct SweepPoint {
  double threshold = 0;
  double mean_skips = 0;
  int min_skips = 0;
  int max_skips = 0;
  int longest_run = 0;
  double speedup = 1;
};

// All thresholds at once: f is evaluated once per call, and the thresholds run side by side. The
// same figures as Replay at each threshold. options.threshold is not used.
std::vector<SweepPoint> Sweep(const ReplayInput& input,
                              const ReplayOptions& options,
                              const std::vector<double>& thresholds);

// `count` thresholds that cover everything from no skip to all skips, denser at the low end.
std::vector<double> SweepThresholds(const ReplayInput& input,
                                    const ReplayOptions& options,
                                    int count);

// A sweep of so many thresholds; nothing for fewer than 2.
std::vector<SweepPoint> SweepCurve(const ReplayInput& input,
                                   const ReplayOptions& options,
                                   int points);

}  // namespace teacache
