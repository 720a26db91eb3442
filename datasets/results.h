#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "datasets/base/statistics.h"
#include "datasets/metric_info.h"
#include "datasets/requirement.h"
#include "datasets/video/video.h"

namespace teacache {

// Scores of generated videos against their ground truth: what eval-metrics and sweep-report write.
//
// results.json:
//   {"format": "teacache-results", "version": 1, "context": {name: text},
//    "metrics": [{"name", "label", "unit", "higher_is_better", "digits", "best": number or null}],
//    "summary": {metric: {"mean", "median", "std", "min", "max", "ci95": [lo, hi], "p5",
//                         "frame_weighted_mean", "n", "identical"}},
//    "baseline": as summary, "comparison": {metric: {"mean", "ci95", "std", "n", "a_better",
//                                                    "b_better"}},   (both only when asked for)
//    "videos": [{"name", "frames", metric: number or null, "identical", "identical_frames",
//                "per_frame": {metric: [...]}, "gt": {...}, "gen": {...}, "warnings", "error"}],
//    "unmatched_gt": [...], "unmatched_gen": [...], "left_out": [...], "warnings": [...],
//    "requirements": [{"requirement", "of", "statistic", "value", "met", "missing"}]}   (only when
//    asked for)
// There is no NaN or Infinity: an infinite PSNR is null with "identical": true (per frame: null),
// and "best" is null where it is infinite. "metrics" says what each metric is, "context" holds
// their full definitions by name. Files of 0.1.0 have no "metrics" (see UndescribedMetric).
// A merge that lacks parts says so in "context": "missing_parts": "1/4, 3/4".

// One metric over all videos. NaN where there is nothing to say (written as null).
struct MetricSummary {
  double mean = std::numeric_limits<double>::quiet_NaN();  // over videos with a finite value
  double median = std::numeric_limits<double>::quiet_NaN();
  double std = std::numeric_limits<double>::quiet_NaN();  // of a sample (n - 1); NaN for one video
  double min = std::numeric_limits<double>::quiet_NaN();
  double max = std::numeric_limits<double>::quiet_NaN();
  std::optional<Interval> ci95 = std::nullopt;           // bootstrap interval of the mean
  double p5 = std::numeric_limits<double>::quiet_NaN();  // 5 % of the videos are worse than this
  double frame_weighted_mean = std::numeric_limits<double>::quiet_NaN();
  int64_t n = 0;          // videos with a finite value
  int64_t identical = 0;  // videos that are identical to their ground truth (infinite PSNR)
};

// Difference of two methods on the same videos, a - b.
struct PairedDifference {
  double mean = std::numeric_limits<double>::quiet_NaN();
  std::optional<Interval> ci95 = std::nullopt;  // paired bootstrap over videos
  double std = std::numeric_limits<double>::quiet_NaN();
  int64_t n = 0;  // videos that both have, with finite values: those of mean, ci95 and std
  // Videos where a (b) is the better one; a video that is identical to its ground truth beats every
  // other one.
  int64_t a_better = 0;
  int64_t b_better = 0;
};

// One pair of videos.
struct VideoScore {
  std::string name;    // stem, with its folder when folders are searched recursively
  int64_t frames = 0;  // compared
  // Mean over frames, by metric. PSNR is +infinity for identical videos; frames that are identical
  // do not enter the mean of a video that also has others.
  std::map<std::string, double> scores;
  int64_t identical_frames = 0;
  std::map<std::string, std::vector<double>> per_frame;  // empty unless asked for
  VideoInfo gt;
  VideoInfo gen;
  std::vector<std::string> warnings;
  std::string error;  // "" = scored; otherwise `scores` is empty

  bool ok() const { return error.empty(); }
};

struct Results {
  static constexpr int kVersion = 1;
  // Definitions of the metrics, by name, and options: "gt", "gen", "decoder", "tool_version", ...
  std::map<std::string, std::string> context;
  std::vector<MetricInfo> metrics;  // what the scores are, in the order in which they are shown
  std::map<std::string, MetricSummary> summary;
  // Another uncached run against the same ground truth: the noise floor. Empty = none given.
  std::map<std::string, MetricSummary> baseline;
  // These videos minus those of another method (context "compare"). Empty = none given.
  std::map<std::string, PairedDifference> comparison;
  std::vector<VideoScore> videos;         // in order of name
  std::vector<std::string> unmatched_gt;  // videos without a partner
  std::vector<std::string> unmatched_gen;
  std::vector<std::string> left_out;  // files that could be opened as video but are not scored
  std::vector<std::string> warnings;
  std::vector<RequirementOutcome> requirements;  // of --require

  // Pairs that could not be scored.
  int64_t NumErrors() const;
  // Adds to `metrics` those of the scores that it lacks (UndescribedMetric).
  void DescribeMetrics();
};

std::string ResultsToJson(const Results& results);
// Both throw UserError naming the file.
void WriteResults(const std::string& path, const Results& results);
Results ReadResults(const std::string& path);

// One row per pair: name, scores, frames, identical_frames, then codec, size, frame count, frame
// rate, pixel format and colour tags of both sides, warnings, error, and the full definition of
// every metric. RFC 4180; "inf" for identical.
std::string ResultsToCsv(const Results& results);
void WritePerVideoCsv(const std::string& path, const Results& results);

}  // namespace teacache
