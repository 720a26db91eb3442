// One replay for thousands of thresholds at once.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "calib/replay/replay.h"
#include "calib/replay/replay_decisions.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// State of all thresholds at one moment of one run: plain arrays, so that the compiler can take
// several thresholds into one instruction.
struct Lanes {
  explicit Lanes(size_t n) : sum(n), streak(n), skip(n) {}

  void Reset() {
    std::fill(sum.begin(), sum.end(), 0.0);
    std::fill(streak.begin(), streak.end(), 0.0);
  }

  void Compute(bool keep_sum) {
    if (!keep_sum) std::fill(sum.begin(), sum.end(), 0.0);
    std::fill(streak.begin(), streak.end(), 0.0);
    std::fill(skip.begin(), skip.end(), 0.0);
  }

  std::vector<double> sum;
  std::vector<double> streak;  // skips in a row that the run decided on
  std::vector<double> skip;    // 1 = this call is skipped
};

void AdvanceLanes(double value,
                  const std::vector<double>& thresholds,
                  double cap,
                  double max_streak,
                  Lanes* lanes) {
  const size_t n = thresholds.size();
  const double* threshold = thresholds.data();
  double* sum = lanes->sum.data();
  double* streak = lanes->streak.data();
  double* skip = lanes->skip.data();
  for (size_t t = 0; t < n; ++t) {
    const double next = std::min(sum[t] + value, cap * threshold[t]);
    const bool skips = (next < threshold[t]) & (streak[t] < max_streak);
    sum[t] = skips ? next : 0.0;
    streak[t] = skips ? streak[t] + 1.0 : 0.0;
    skip[t] = skips ? 1.0 : 0.0;
  }
}

// What became of the runs that were decided together, for all thresholds.
struct LaneCounts {
  explicit LaneCounts(size_t n) : skips(n), streak(n), longest(n) {}

  void Reset() {
    std::fill(skips.begin(), skips.end(), 0.0);
    std::fill(streak.begin(), streak.end(), 0.0);
  }

  void Add(const std::vector<double>& skip) {
    const size_t n = skip.size();
    for (size_t t = 0; t < n; ++t) {
      skips[t] += skip[t];
      streak[t] = skip[t] * (streak[t] + 1.0);
      longest[t] = std::max(longest[t], streak[t]);
    }
  }

  std::vector<double> skips;
  std::vector<double> streak;
  std::vector<double> longest;  // of all runs
};

}  // namespace

std::vector<SweepPoint> Sweep(const ReplayInput& input,
                              const ReplayOptions& options,
                              const std::vector<double>& thresholds) {
  const EngineRule& rule = options.rule;
  const size_t n = thresholds.size();
  const std::vector<bool> forced = ForcedCalls(rule, input.calls);
  const std::vector<bool> always = AlwaysComputed(rule, input.calls);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // Threshold 0 never skips, and 0 times an infinite cap would be no number.
  const double cap = rule.cap > 0 ? rule.cap : std::numeric_limits<double>::max();
  const double max_streak = rule.max_consecutive_skips > 0 ? rule.max_consecutive_skips : kInfinity;

  std::vector<SweepPoint> points(n);
  for (size_t t = 0; t < n; ++t) {
    points[t].threshold = thresholds[t];
    points[t].min_skips = input.calls;
  }
  std::vector<Lanes> lanes;
  LaneCounts counts(n);
  for (const std::vector<size_t>& group : DecidedTogether(input, rule)) {
    while (lanes.size() < group.size()) lanes.emplace_back(n);
    for (Lanes& lane : lanes) lane.Reset();
    counts.Reset();
    const int decider = Decider(input, rule, group);
    for (int call = 0; call < input.calls; ++call) {
      for (size_t i = 0; i < group.size(); ++i) {
        const double value =
            always[call] ? kNan : Contribution(input.runs[group[i]].x[call], options);
        if (std::isnan(value)) {
          lanes[i].Compute(forced[call] && rule.keeps_sum_when_forced);
        } else {
          AdvanceLanes(value, thresholds, cap, max_streak, &lanes[i]);
        }
      }
      std::vector<double>& skip = lanes[std::max(decider, 0)].skip;
      if (decider < 0) {
        for (size_t i = 1; i < group.size(); ++i) {
          for (size_t t = 0; t < n; ++t) skip[t] *= lanes[i].skip[t];
        }
      }
      counts.Add(skip);
    }
    for (size_t t = 0; t < n; ++t) {
      const int skips = thresholds[t] > 0 ? static_cast<int>(counts.skips[t]) : 0;
      points[t].mean_skips += skips * static_cast<double>(group.size());
      points[t].min_skips = std::min(points[t].min_skips, skips);
      points[t].max_skips = std::max(points[t].max_skips, skips);
    }
  }
  for (size_t t = 0; t < n; ++t) {
    points[t].mean_skips /= static_cast<double>(input.runs.size());
    points[t].longest_run = thresholds[t] > 0 ? static_cast<int>(counts.longest[t]) : 0;
    points[t].speedup = SpeedUp(input, points[t].mean_skips);
  }
  return points;
}

std::vector<double> SweepThresholds(const ReplayInput& input,
                                    const ReplayOptions& options,
                                    int count) {
  if (count < 2) ThrowUserError("sweep", "thresholds must be at least 2 but are {}", count);
  const std::vector<bool> always = AlwaysComputed(options.rule, input.calls);
  double highest = 0;
  double lowest = std::numeric_limits<double>::infinity();
  for (const SignalRun& run : input.runs) {
    double sum = 0;
    for (int call = 0; call < input.calls; ++call) {
      if (always[call]) continue;
      const double value = Contribution(run.x[call], options);
      if (!(value > 0)) continue;
      sum += value;
      lowest = std::min(lowest, value);
    }
    highest = std::max(highest, sum);
  }
  highest = std::max(highest * 1.001, 1e-9);
  // From half of the smallest single step: below it nothing is skipped (unless f is negative).
  const double start = std::clamp(lowest / 2, highest * 1e-4, highest);
  std::vector<double> thresholds = {0};
  for (int i = 0; i + 1 < count; ++i) {
    const double t = count > 2 ? static_cast<double>(i) / (count - 2) : 1;
    thresholds.push_back(start * std::pow(highest / start, t));
  }
  return thresholds;
}

std::vector<SweepPoint> SweepCurve(const ReplayInput& input,
                                   const ReplayOptions& options,
                                   int points) {
  if (points < 2) return {};
  return Sweep(input, options, SweepThresholds(input, options, points));
}

}  // namespace teacache
