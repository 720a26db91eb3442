#include "calib/replay/threshold_sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "calib/rules/skip_rule.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

// What became of a run, for all thresholds.
struct LaneCounts {
  explicit LaneCounts(size_t n) : skips(n), saved(n), streak(n), longest(n) {}

  void Reset() {
    std::fill(skips.begin(), skips.end(), 0.0);
    std::fill(saved.begin(), saved.end(), 0.0);
    std::fill(streak.begin(), streak.end(), 0.0);
    std::fill(longest.begin(), longest.end(), 0.0);
  }

  void AddSaved(const std::vector<double>& skip, double evaluations) {
    for (size_t t = 0; t < skip.size(); ++t) saved[t] += evaluations * skip[t];
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
  std::vector<double> saved;  // evaluations, where they are not one each
  std::vector<double> streak;
  std::vector<double> longest;
};

// SkipTogether for all thresholds; `joined` is room for the result. A branch that does not exist at
// the call has no say.
const std::vector<double>& SkippedTogether(const std::vector<SkipLanes>& lanes,
                                           const RunGroup& group,
                                           const std::vector<bool>& exists,
                                           std::vector<double>* joined) {
  if (group.runs.size() == 1) return lanes[0].skipped();
  if (group.deciding >= 0 && exists[group.deciding]) return lanes[group.deciding].skipped();
  std::fill(joined->begin(), joined->end(), 1.0);
  for (size_t i = 0; i < group.runs.size(); ++i) {
    if (!exists[i]) continue;
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
    points[t].speedup = 0;  // sum of what is saved, until the end
    points[t].min_skips = input.calls;
  }
  std::vector<SkipLanes> lanes;  // of each run of a group
  std::vector<LaneCounts> counts;
  std::vector<double> joined(n);
  const bool weighted = !input.evaluations.empty();
  for (const RunGroup& group : GroupRuns(input, rule)) {
    const size_t runs = group.runs.size();
    while (lanes.size() < runs) {
      lanes.emplace_back(thresholds);
      counts.emplace_back(n);
    }
    for (SkipLanes& lane : lanes) lane.Reset();
    for (LaneCounts& count : counts) count.Reset();
    std::vector<bool> exists(runs);
    for (int call = 0; call < input.calls; ++call) {
      bool any = false;
      for (size_t i = 0; i < runs; ++i) {
        const SignalRun& run = input.runs[group.runs[i]];
        exists[i] = run.Exists(call);
        if (!exists[i]) continue;
        any = true;
        const CallKind kind = KindOfCall(rule, call, run.Calls());
        const double value = SkipValue(run.x[call], rule, options.polynomial, options.range);
        lanes[i].Step(MakeSkipCall(rule, kind, value), limits);
      }
      if (!any) continue;
      const std::vector<double>& skipped = SkippedTogether(lanes, group, exists, &joined);
      for (size_t i = 0; i < runs; ++i) {
        if (!exists[i]) continue;
        counts[i].Add(skipped);
        if (weighted) counts[i].AddSaved(skipped, EvaluationsOf(input, call));
      }
    }
    for (size_t i = 0; i < runs; ++i) {
      for (size_t t = 0; t < n; ++t) {
        const int skips = static_cast<int>(counts[i].skips[t]);
        points[t].mean_skips += skips;
        points[t].speedup += weighted ? counts[i].saved[t] : skips;
        points[t].min_skips = std::min(points[t].min_skips, skips);
        points[t].max_skips = std::max(points[t].max_skips, skips);
        points[t].longest_run =
            std::max(points[t].longest_run, static_cast<int>(counts[i].longest[t]));
      }
    }
  }
  for (size_t t = 0; t < n; ++t) {
    points[t].mean_skips /= static_cast<double>(input.runs.size());
    points[t].speedup = SpeedUp(input, points[t].speedup / static_cast<double>(input.runs.size()));
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
      if (!run.Exists(call)) continue;
      if (KindOfCall(options.rule, call, run.Calls()) != CallKind::kDecided) continue;
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
