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
  // The largest threshold that keeps the target, between measured ones by a monotone line.
  double threshold = 0;
  Interval threshold95;  // bootstrap interval over videos
  double quality = 0;    // of the monotone fit at the threshold
  std::string text;      // one sentence; when not reached: the best measured value
};

// Isotonic regression of the statistic over thresholds (quality does not rise with the threshold)
// and a bootstrap over videos with a fixed seed. Identical videos are left out of the statistic; a
// threshold at which all videos are identical satisfies every target. Throws UserError for no
// points, different numbers of videos, NaN, infinite values other than a PSNR of +infinity, or
// thresholds given twice.
QualityChoice ChooseThresholdForQuality(std::vector<QualityPoint> points,
                                        const QualityTarget& target);

// One results.json per threshold: the values of `metric` of the videos that every file has scored.
// Throws UserError when a file has no such video or no such metric.
std::vector<QualityPoint> ReadQualityPoints(const std::vector<double>& thresholds,
                                            const std::vector<std::string>& paths,
                                            const std::string& metric);

}  // namespace teacache
