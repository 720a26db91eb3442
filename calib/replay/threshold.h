#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calib/replay/replay.h"

namespace teacache {

// What the threshold is to reach by replay. Exactly one must be set.
struct ReplayTarget {
  std::optional<double> speedup = std::nullopt;  // of the transformer calls, >= 1
  std::optional<double> skips = std::nullopt;    // mean skipped calls of a run and branch, >= 0
};

struct ThresholdChoice {
  bool reached = false;
  double threshold = 0;  // the smallest that reaches the target; where none does, the nearest
  double mean_skips = 0;
  double speedup = 1;
  // One sentence; when not reached: the largest reachable value and what limits it.
  std::string text;
};

// Throws UserError for a target that is not set, set twice, or out of range.
ThresholdChoice ChooseThreshold(const ReplayInput& input,
                                const ReplayOptions& options,
                                const ReplayTarget& target);

// Where a threshold matters.
struct UsefulThresholds {
  double lo = 0;          // nothing is skipped up to this one
  double hi = 0;          // from this one on nothing changes any more
  double most_skips = 0;  // mean skipped calls there
  std::string text;       // one sentence
};
// By replay. Nothing can be skipped where most_skips is 0: all calls are forced, as in runs of few
// steps, or no call has a signal.
UsefulThresholds FindUsefulThresholds(const ReplayInput& input, const ReplayOptions& options);

// Scores of the same videos generated at one threshold.
struct QualityPoint {
  double threshold = 0;
  // One per video, the same videos in the same order at every threshold; +infinity = the PSNR of a
  // video that is identical to its ground truth.
  std::vector<double> values;
};

struct QualityTarget {
  std::string metric = "psnr";
  double value = 0;
  bool worst = false;  // the 5 % of videos that are worst instead of the mean
  bool higher_is_better = true;
};

struct QualityChoice {
  bool reached = false;
  // The largest measured threshold that keeps the target and below which every measured one does:
  // between measured ones there may be a cliff. When not reached the smallest measured one.
  double threshold = 0;
  Interval threshold95;  // bootstrap interval over videos
  double quality = 0;    // measured at the threshold; infinite where all videos are identical
  std::optional<double> next_threshold = std::nullopt;  // the next measured one, which fails
  double next_quality = 0;
  std::vector<double> skips_nothing = {};  // thresholds at which all videos are identical
  // Thresholds with the same scores of every video: one setting.
  std::vector<std::vector<double>> same = {};
  std::string text;  // sentences; when not reached: the best measured value
};

// A bootstrap over videos with a fixed seed gives the interval. Identical videos are left out of
// the statistic: an infinite PSNR enters no mean; a threshold at which all videos are identical
// satisfies every target. Throws UserError for no points, different numbers of videos, NaN,
// infinite values other than a PSNR of +infinity, or thresholds given twice.
QualityChoice ChooseThresholdForQuality(std::vector<QualityPoint> points,
                                        const QualityTarget& target);

// One results.json per threshold: the values of `metric` of the videos that every file has scored.
// Throws UserError when a file has no such video or no such metric.
std::vector<QualityPoint> ReadQualityPoints(const std::vector<double>& thresholds,
                                            const std::vector<std::string>& paths,
                                            const std::string& metric);

}  // namespace teacache
