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
#include "datasets/base/error.h"
#include "datasets/base/statistics.h"
#include "datasets/results.h"
#include "datasets/work/shard.h"
#include "datasets/worst_share.h"

namespace teacache {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kThresholds = 2000;
constexpr int kUsefulThresholds = 64;
constexpr int kBetween = 32;  // parts of an interval in which an edge of the useful ones is sought
constexpr int kResamples = 1000;

void CheckTarget(const ReplayTarget& target) {
  if (target.speedup.has_value() == target.skips.has_value()) {
    ThrowUserError("threshold", "exactly one of speed-up and skips must be wanted");
  }
  if (target.skips && !(std::isfinite(*target.skips) && *target.skips >= 0)) {
    ThrowUserError("threshold", "skips must be >= 0 but are {}", *target.skips);
  }
  if (target.speedup && !(std::isfinite(*target.speedup) && *target.speedup >= 1)) {
    ThrowUserError("threshold", "speed-up must be >= 1 but is {}", *target.speedup);
  }
}

// Rounding must not miss the last skip.
bool Reaches(const SweepPoint& point, const ReplayTarget& target) {
  return target.skips ? point.mean_skips >= *target.skips - 1e-9
                      : point.speedup >= *target.speedup * (1 - 1e-9);
}

SweepPoint At(const ReplayInput& input, const ReplayOptions& options, double threshold) {
  return Sweep(input, options, {threshold})[0];
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

// The statistic of each threshold, as badness: higher is worse. Identical videos are left out;
// minus infinity where there are no others.
std::vector<double> BadnessOf(const std::vector<QualityPoint>& points,
                              const QualityTarget& target,
                              std::span<const size_t> videos) {
  const bool higher = target.higher_is_better;
  const double share = videos.size() < kFewestForWorstShare ? 1 : 0.95;
  std::vector<double> badness;
  for (const QualityPoint& point : points) {
    std::vector<double> values;
    for (size_t i : videos) {
      if (std::isfinite(point.values[i])) {
        values.push_back(higher ? -point.values[i] : point.values[i]);
      }
    }
    badness.push_back(values.empty() ? -kInfinity
                      : target.worst ? Percentile(values, share)
                                     : Mean(values));
  }
  return badness;
}

// How many thresholds from the smallest on keep the target.
size_t CountKept(const std::vector<double>& badness, double limit) {
  return static_cast<size_t>(std::ranges::find_if(badness, [&](double b) { return b > limit; }) -
                             badness.begin());
}

// Runs of neighbouring thresholds whose videos all have the same scores.
std::vector<std::vector<double>> SameSettings(const std::vector<QualityPoint>& points) {
  std::vector<std::vector<double>> same;
  for (size_t i = 0; i < points.size();) {
    std::vector<double> thresholds;
    const std::vector<double>& values = points[i].values;
    for (; i < points.size() && points[i].values == values; ++i) {
      thresholds.push_back(points[i].threshold);
    }
    if (thresholds.size() > 1) same.push_back(std::move(thresholds));
  }
  return same;
}

std::string ListText(const std::vector<double>& values) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    text += fmt::format("{}{:.4g}",
                        i == 0                   ? ""
                        : i + 1 == values.size() ? " and "
                                                 : ", ",
                        values[i]);
  }
  return text;
}

// "36.4 dB"; metrics other than PSNR have no unit.
std::string QualityText(const QualityTarget& target, double quality) {
  if (std::isinf(quality)) return "identical videos";
  return fmt::format("{:.4g}{}", quality, target.metric == "psnr" ? " dB" : "");
}

// What to know of the thresholds that were measured.
std::string SettingsText(const QualityChoice& choice) {
  std::string text;
  if (!choice.skips_nothing.empty()) {
    text += fmt::format(" {} {} nothing: the videos are identical.",
                        ListText(choice.skips_nothing),
                        choice.skips_nothing.size() > 1 ? "skip" : "skips");
  }
  for (const std::vector<double>& same : choice.same) {
    if (!choice.skips_nothing.empty() && same.front() == choice.skips_nothing.front()) continue;
    text += fmt::format(" {} compute the same calls: they are one setting.", ListText(same));
  }
  return text;
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
  CheckTarget(target);
  const std::vector<double> thresholds = SweepThresholds(input, options, kThresholds);
  const std::vector<SweepPoint> sweep = Sweep(input, options, thresholds);
  const auto first = std::find_if(
      sweep.begin(), sweep.end(), [&](const SweepPoint& point) { return Reaches(point, target); });
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
    (Reaches(At(input, options, middle), target) ? hi : lo) = middle;
  }
  // Four digits are enough for a person, if they still reach it.
  const double unit = hi > 0 ? std::pow(10, std::floor(std::log10(hi)) - 3) : 1;
  const std::string digits = fmt::format("{:.4g}", std::ceil(hi / unit) * unit);
  const double rounded = std::strtod(digits.c_str(), nullptr);
  choice.threshold = Reaches(At(input, options, rounded), target) ? rounded : hi;
  const SweepPoint chosen = At(input, options, choice.threshold);
  choice.mean_skips = chosen.mean_skips;
  choice.speedup = chosen.speedup;
  choice.text =
      fmt::format("Threshold {:.6g} skips {:.4g} of {} calls, a predicted speed-up of {:.3f}.",
                  choice.threshold,
                  choice.mean_skips,
                  input.calls,
                  choice.speedup);
  return choice;
}

UsefulThresholds FindUsefulThresholds(const ReplayInput& input, const ReplayOptions& options) {
  const std::vector<double> thresholds = SweepThresholds(input, options, kUsefulThresholds);
  const std::vector<SweepPoint> sweep = Sweep(input, options, thresholds);
  UsefulThresholds useful;
  useful.most_skips = sweep.back().mean_skips;
  const auto skips_any = [](const SweepPoint& point) { return point.mean_skips > 0; };
  const auto first = std::ranges::find_if(sweep, skips_any);
  if (first == sweep.end()) {
    const std::vector<bool> forced = ForcedCalls(options.rule, input.calls);
    useful.text = fmt::format(
        "Nothing can be skipped by {}'s rule in runs of {} calls: {} are always computed, and no "
        "threshold skips another.",
        options.rule.name,
        input.calls,
        std::count(forced.begin(), forced.end(), true));
    return useful;
  }
  // Between neighbours of the sweep, again by a sweep: one of many thresholds costs little more
  // than one of a single threshold.
  const auto edge = [&](double below, double above, const auto& is_above) {
    for (int i = 0; i < 8 && above - below > 1e-9 * above; ++i) {
      std::vector<double> between;
      for (int part = 1; part < kBetween; ++part) {
        between.push_back(below + (above - below) * part / kBetween);
      }
      for (const SweepPoint& point : Sweep(input, options, between)) {
        if (is_above(point.mean_skips)) {
          above = point.threshold;
          break;
        }
        below = point.threshold;
      }
    }
    return std::pair(below, above);
  };
  const auto changed = [&](double skips) { return skips > 0; };
  const auto settled = [&](double skips) { return skips == useful.most_skips; };
  if (first != sweep.begin()) {
    useful.lo = edge(std::prev(first)->threshold, first->threshold, changed).first;
  }
  size_t last = sweep.size() - 1;
  while (last > 0 && settled(sweep[last - 1].mean_skips)) --last;
  useful.hi = last == 0 ? sweep[0].threshold
                        : edge(sweep[last - 1].threshold, sweep[last].threshold, settled).second;
  const int limit = options.rule.max_consecutive_skips;
  const bool limited = limit > 0 && sweep.back().longest_run >= limit;
  useful.text = fmt::format(
      "Useful thresholds: {:.4g} to {:.4g}; up to {:.4g} nothing is skipped, above {:.4g} {} "
      "({:.4g} of {} calls).",
      useful.lo,
      useful.hi,
      useful.lo,
      useful.hi,
      limited ? fmt::format("only the limit of {} skips in a row decides", limit)
              : "nothing changes any more",
      useful.most_skips,
      input.calls);
  return useful;
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
  const std::vector<double> badness = BadnessOf(points, target, videos);
  const auto quality = [&](size_t i) { return higher ? -badness[i] : badness[i]; };

  QualityChoice choice;
  const std::string statistic = !target.worst                          ? "on average"
                                : videos.size() < kFewestForWorstShare ? "of the worst video"
                                                                       : "of the worst 5 %";
  choice.same = SameSettings(points);
  for (const QualityPoint& point : points) {
    if (std::ranges::none_of(point.values, [](double v) { return std::isfinite(v); })) {
      choice.skips_nothing.push_back(point.threshold);
    }
  }
  const size_t kept = CountKept(badness, limit);
  choice.reached = kept > 0;
  if (!choice.reached) {
    choice.threshold = points.front().threshold;
    choice.quality = quality(0);
    choice.text = fmt::format(
        "{} {} {:.4g} cannot be reached: the smallest threshold measured, {:.4g}, has {:.4g}; "
        "measure a smaller one, or compute more calls at the start.",
        target.metric,
        statistic,
        target.value,
        choice.threshold,
        choice.quality);
    choice.text += SettingsText(choice);
    return choice;
  }
  choice.threshold = points[kept - 1].threshold;
  choice.quality = quality(kept - 1);
  const bool beyond = kept == points.size();
  if (!beyond) {
    choice.next_threshold = points[kept].threshold;
    choice.next_quality = quality(kept);
  }
  const auto chosen = [&](std::span<const size_t> drawn) {
    const size_t own = CountKept(BadnessOf(points, target, drawn), limit);
    return own > 0 ? points[own - 1].threshold : 0.0;
  };
  choice.threshold95 = *Bootstrap(videos.size(), kResamples, 1, chosen);
  choice.text = fmt::format(
      "Threshold {:.4g} (95 % interval {:.4g} to {:.4g}) keeps {} {} {} {:.4g}: {} was measured",
      choice.threshold,
      choice.threshold95.lo,
      choice.threshold95.hi,
      target.metric,
      statistic,
      higher ? "at or above" : "at or below",
      target.value,
      QualityText(target, choice.quality));
  choice.text += beyond ? "; it is the largest one measured, larger ones may do too."
                        : fmt::format("; the next measured one, {:.4g}, fails: {}.",
                                      *choice.next_threshold,
                                      QualityText(target, choice.next_quality));
  choice.text += SettingsText(choice);
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
