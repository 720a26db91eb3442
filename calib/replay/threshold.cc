#include "calib/replay/threshold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "calib/replay/threshold_sweep.h"
#include "calib/replay/worst_share.h"
#include "datasets/base/error.h"
#include "datasets/base/shard.h"
#include "datasets/base/statistics.h"
#include "datasets/results.h"

namespace teacache {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kThresholds = 2000;
constexpr int kResamples = 1000;

double SkipsFor(const ReplayInput& input, const ReplayTarget& target) {
  if (target.speedup.has_value() == target.skips.has_value()) {
    ThrowUserError("threshold", "exactly one of speed-up and skips must be wanted");
  }
  if (target.skips) {
    if (!std::isfinite(*target.skips) || *target.skips < 0) {
      ThrowUserError("threshold", "skips must be >= 0 but are {}", *target.skips);
    }
    return *target.skips;
  }
  if (!std::isfinite(*target.speedup) || *target.speedup < 1) {
    ThrowUserError("threshold", "speed-up must be >= 1 but is {}", *target.speedup);
  }
  // calls / (calls - skips (1 - c)) = speedup, c = cost of a skipped call.
  const double cost = input.ms_call > 0 ? input.ms_skipped / input.ms_call : 0;
  return input.calls * (1 - 1 / *target.speedup) / std::max(1 - cost, 1e-12);
}

double MeanSkips(const ReplayInput& input, const ReplayOptions& options, double threshold) {
  return Sweep(input, options, {threshold})[0].mean_skips;
}

std::string LimitText(const ReplayInput& input,
                      const ReplayOptions& options,
                      const SweepPoint& best) {
  const std::vector<bool> forced = ForcedCalls(options.rule, input.calls);
  const auto count = std::count(forced.begin(), forced.end(), true);
  std::string text = fmt::format(
      "the most that this rule can do is {:.4g} skips of {} calls, a speed-up of {:.3f} at "
      "threshold "
      "{:.4g}: {} calls are always computed",
      best.mean_skips,
      input.calls,
      best.speedup,
      best.threshold,
      count);
  if (options.rule.max_consecutive_skips > 0) {
    text += fmt::format(", at most {} may be skipped in a row", options.rule.max_consecutive_skips);
  }
  if (input.ms_call > 0) {
    text += fmt::format(", and a skipped call still takes {:.0f} % of a computed one",
                        100 * input.ms_skipped / input.ms_call);
  }
  return text;
}

// The monotone curve of a statistic over thresholds, as badness: higher is worse. Identical videos
// are left out. A threshold that has only those takes no part in the regression: it satisfies every
// target (-infinity) where all smaller thresholds do, and is as bad as the one before it elsewhere.
std::vector<double> BadnessCurve(const std::vector<QualityPoint>& points,
                                 const QualityTarget& target,
                                 std::span<const size_t> videos) {
  const bool higher = target.higher_is_better;
  const double share = videos.size() < kFewestForWorstShare ? 1 : 0.95;
  std::vector<double> badness;
  std::vector<size_t> place;  // of each threshold: how many took part in the regression up to it
  for (const QualityPoint& point : points) {
    std::vector<double> values;
    for (size_t i : videos) {
      if (std::isfinite(point.values[i])) {
        values.push_back(higher ? -point.values[i] : point.values[i]);
      }
    }
    if (!values.empty()) badness.push_back(target.worst ? Percentile(values, share) : Mean(values));
    place.push_back(badness.size());
  }
  const std::vector<double> fitted =
      IsotonicRegression(badness, std::vector<double>(badness.size(), 1.0));
  std::vector<double> curve;
  for (const size_t i : place) curve.push_back(i > 0 ? fitted[i - 1] : -kInfinity);
  return curve;
}

// The largest threshold whose badness is at most `limit`; -1 where the first is worse already.
double Invert(const std::vector<QualityPoint>& points,
              const std::vector<double>& badness,
              double limit) {
  if (badness.front() > limit) return -1;
  for (size_t i = 1; i < points.size(); ++i) {
    if (badness[i] <= limit) continue;
    if (std::isinf(badness[i - 1])) return points[i - 1].threshold;
    const double share = (limit - badness[i - 1]) / (badness[i] - badness[i - 1]);
    return points[i - 1].threshold + share * (points[i].threshold - points[i - 1].threshold);
  }
  return points.back().threshold;
}

void CheckPoints(const std::vector<QualityPoint>& points, const QualityTarget& target) {
  if (points.empty()) ThrowUserError("threshold", "must have sweep results but has none");
  if (!std::isfinite(target.value)) {
    ThrowUserError("threshold", "target must be finite but is {}", target.value);
  }
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].values.empty() || points[i].values.size() != points[0].values.size()) {
      ThrowUserError("threshold",
                     "every threshold must have the same videos but {} has {} and {} has {}",
                     points[0].threshold,
                     points[0].values.size(),
                     points[i].threshold,
                     points[i].values.size());
    }
    for (double value : points[i].values) {
      const bool identical = target.metric == "psnr" && value == kInfinity;
      if (!std::isfinite(value) && !identical) {
        ThrowUserError("threshold", "scores must be finite but one is {}", value);
      }
    }
    if (!std::isfinite(points[i].threshold) || points[i].threshold < 0) {
      ThrowUserError("threshold", "thresholds must be >= 0 but one is {}", points[i].threshold);
    }
    if (i > 0 && points[i].threshold == points[i - 1].threshold) {
      ThrowUserError(
          "threshold", "thresholds must differ but {} is given twice", points[i].threshold);
    }
  }
}

// Results of all videos: a threshold chosen by a part would be taken for one of the whole.
Results ReadWholeResults(const std::string& path) {
  Results results = ReadResults(path);
  for (const char* mark : {"shard", kMissingParts}) {
    const auto found = results.context.find(mark);
    if (found == results.context.end()) continue;
    ThrowUserError(
        path,
        "must be results of all videos but {} {}; join the parts by eval-metrics --merge",
        mark == std::string_view(kMissingParts) ? "lacks the parts" : "is part",
        found->second);
  }
  return results;
}

}  // namespace

ThresholdChoice ChooseThreshold(const ReplayInput& input,
                                const ReplayOptions& options,
                                const ReplayTarget& target) {
  const double wanted = SkipsFor(input, target);
  const std::vector<double> thresholds = SweepThresholds(input, options, kThresholds);
  const std::vector<SweepPoint> sweep = Sweep(input, options, thresholds);
  // Rounding of a speed-up to skips and back must not miss the last one.
  const double enough = wanted - 1e-9;
  const auto first = std::find_if(sweep.begin(), sweep.end(), [&](const SweepPoint& point) {
    return point.mean_skips >= enough;
  });
  ThresholdChoice choice;
  choice.reached = first != sweep.end();
  if (!choice.reached) {
    const SweepPoint best =
        *std::max_element(sweep.begin(), sweep.end(), [](const SweepPoint& a, const SweepPoint& b) {
          return a.mean_skips < b.mean_skips;
        });
    choice.threshold = best.threshold;
    choice.mean_skips = best.mean_skips;
    choice.speedup = best.speedup;
    const std::string what = target.speedup ? fmt::format("a speed-up of {:.4g}", *target.speedup)
                                            : fmt::format("{:.4g} skips", *target.skips);
    choice.text = fmt::format("{} cannot be reached: {}.", what, LimitText(input, options, best));
    return choice;
  }
  // Between the last threshold that is too low and the first that is enough.
  double hi = first->threshold;
  double lo = first == sweep.begin() ? 0 : std::prev(first)->threshold;
  for (int i = 0; i < 60 && lo < hi; ++i) {
    const double middle = lo + (hi - lo) / 2;
    if (middle <= lo || middle >= hi) break;
    (MeanSkips(input, options, middle) >= enough ? hi : lo) = middle;
  }
  // Four digits are enough for a person, if they still reach it.
  const double unit = hi > 0 ? std::pow(10, std::floor(std::log10(hi)) - 3) : 1;
  const std::string digits = fmt::format("{:.4g}", std::ceil(hi / unit) * unit);
  const double rounded = std::strtod(digits.c_str(), nullptr);
  choice.threshold = MeanSkips(input, options, rounded) >= enough ? rounded : hi;
  choice.mean_skips = MeanSkips(input, options, choice.threshold);
  choice.speedup = SpeedUp(input, choice.mean_skips);
  choice.text =
      fmt::format("Threshold {:.6g} skips {:.4g} of {} calls, a predicted speed-up of {:.3f}.",
                  choice.threshold,
                  choice.mean_skips,
                  input.calls,
                  choice.speedup);
  return choice;
}

QualityChoice ChooseThresholdForQuality(std::vector<QualityPoint> points,
                                        const QualityTarget& target) {
  std::sort(points.begin(), points.end(), [](const QualityPoint& a, const QualityPoint& b) {
    return a.threshold < b.threshold;
  });
  CheckPoints(points, target);
  const bool higher = target.higher_is_better;
  const double limit = higher ? -target.value : target.value;
  std::vector<size_t> videos(points[0].values.size());
  for (size_t i = 0; i < videos.size(); ++i) videos[i] = i;
  const std::vector<double> badness = BadnessCurve(points, target, videos);

  QualityChoice choice;
  const std::string statistic = !target.worst                          ? "on average"
                                : videos.size() < kFewestForWorstShare ? "of the worst video"
                                                                       : "of the worst 5 %";
  const double threshold = Invert(points, badness, limit);
  choice.reached = threshold >= 0;
  if (!choice.reached) {
    choice.threshold = points.front().threshold;
    choice.quality = higher ? -badness.front() : badness.front();
    choice.text = fmt::format(
        "{} {} {:.4g} cannot be reached: the smallest threshold measured, {:.4g}, has {:.4g}; "
        "measure a "
        "smaller one, or compute more calls at the start.",
        target.metric,
        statistic,
        target.value,
        choice.threshold,
        choice.quality);
    return choice;
  }
  choice.threshold = threshold;
  const bool beyond = badness.back() <= limit;
  // The statistic at the threshold: between measured ones it is the target.
  choice.quality = beyond ? (higher ? -badness.back() : badness.back()) : target.value;
  const auto invert = [&](std::span<const size_t> drawn) {
    return std::max(0.0, Invert(points, BadnessCurve(points, target, drawn), limit));
  };
  choice.threshold95 = *Bootstrap(videos.size(), kResamples, 1, invert);
  choice.text =
      fmt::format("Threshold {:.4g} (95 % interval {:.4g} to {:.4g}) keeps {} {} {} {:.4g}{}.",
                  choice.threshold,
                  choice.threshold95.lo,
                  choice.threshold95.hi,
                  target.metric,
                  statistic,
                  higher ? "at or above" : "at or below",
                  target.value,
                  beyond ? "; it is the largest one measured, larger ones may do too" : "");
  return choice;
}

std::vector<QualityPoint> ReadQualityPoints(const std::vector<double>& thresholds,
                                            const std::vector<std::string>& paths,
                                            const std::string& metric) {
  if (thresholds.size() != paths.size()) {
    ThrowUserError("threshold",
                   "thresholds and results must be as many but are {} and {}",
                   thresholds.size(),
                   paths.size());
  }
  std::vector<std::map<std::string, double>> scores;
  std::map<std::string, size_t> files_with;
  for (const std::string& path : paths) {
    scores.emplace_back();
    const Results results = ReadWholeResults(path);
    for (const VideoScore& video : results.videos) {
      const auto it = video.scores.find(metric);
      if (!video.ok() || it == video.scores.end() || std::isnan(it->second)) continue;
      scores.back()[video.name] = it->second;
      ++files_with[video.name];
    }
    if (scores.back().empty())
      ThrowUserError(path, "must have videos with {} but has none", metric);
  }
  std::vector<QualityPoint> points;
  for (size_t i = 0; i < paths.size(); ++i) {
    QualityPoint point;
    point.threshold = thresholds[i];
    for (const auto& [name, value] : scores[i]) {
      if (files_with[name] == paths.size()) point.values.push_back(value);
    }
    if (point.values.empty())
      ThrowUserError(paths[i], "must share videos with the others but has none");
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace teacache
