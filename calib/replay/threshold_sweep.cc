#include "calib/replay/threshold_sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "calib/rules/skip_rule.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

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

// SkipTogether for all thresholds; `joined` is room for the result.
const std::vector<double>& SkippedTogether(const std::vector<SkipLanes>& lanes,
                                           const RunGroup& group,
                                           std::vector<double>* joined) {
  if (group.deciding >= 0 || group.runs.size() == 1) {
    return lanes[std::max(group.deciding, 0)].skipped();
  }
  *joined = lanes[0].skipped();
  for (size_t i = 1; i < group.runs.size(); ++i) {
    const std::vector<double>& skipped = lanes[i].skipped();
    for (size_t t = 0; t < skipped.size(); ++t) (*joined)[t] *= skipped[t];
  }
  return *joined;
}

}  // namespace

std::vector<SweepPoint> Sweep(const ReplayInput& input,
                              const ReplayOptions& options,
                              const std::vector<double>& thresholds) {
  const EngineRule& rule = options.rule;
  const SkipLimits limits = LimitsOf(rule);
  const size_t n = thresholds.size();
  std::vector<SweepPoint> points(n);
  for (size_t t = 0; t < n; ++t) {
    points[t].threshold = thresholds[t];
    points[t].min_skips = input.calls;
  }
  std::vector<SkipLanes> lanes;  // of each run of a group
  LaneCounts counts(n);
  std::vector<double> skipped;
  for (const RunGroup& group : GroupRuns(input, rule)) {
    while (lanes.size() < group.runs.size()) lanes.emplace_back(thresholds);
    for (SkipLanes& lane : lanes) lane.Reset();
    counts.Reset();
    for (int call = 0; call < input.calls; ++call) {
      const CallKind kind = KindOfCall(rule, call, input.calls);
      for (size_t i = 0; i < group.runs.size(); ++i) {
        const double x = input.runs[group.runs[i]].x[call];
        const double value = SkipValue(x, rule, options.polynomial, options.range);
        lanes[i].Step(MakeSkipCall(rule, kind, value), limits);
      }
      counts.Add(SkippedTogether(lanes, group, &skipped));
    }
    for (size_t t = 0; t < n; ++t) {
      const int skips = static_cast<int>(counts.skips[t]);
      points[t].mean_skips += skips * static_cast<double>(group.runs.size());
      points[t].min_skips = std::min(points[t].min_skips, skips);
      points[t].max_skips = std::max(points[t].max_skips, skips);
    }
  }
  for (size_t t = 0; t < n; ++t) {
    points[t].mean_skips /= static_cast<double>(input.runs.size());
    points[t].longest_run = static_cast<int>(counts.longest[t]);
    points[t].speedup = SpeedUp(input, points[t].mean_skips);
  }
  return points;
}

std::vector<double> SweepThresholds(const ReplayInput& input,
                                    const ReplayOptions& options,
                                    int count) {
  if (count < 2) ThrowUserError("sweep", "thresholds must be at least 2 but are {}", count);
  double highest = 0;
  double lowest = std::numeric_limits<double>::infinity();
  for (const SignalRun& run : input.runs) {
    double sum = 0;
    for (int call = 0; call < input.calls; ++call) {
      if (KindOfCall(options.rule, call, input.calls) != CallKind::kDecided) continue;
      const double value = SkipValue(run.x[call], options.rule, options.polynomial, options.range);
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
