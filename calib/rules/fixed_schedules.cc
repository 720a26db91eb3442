#include "calib/rules/fixed_schedules.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <tuple>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kMostThresholds = 2000;

// Every value that the accumulated error can have before a run of at most `max_skips` skips ends.
std::vector<double> ErrorsOfRuns(const std::vector<double>& ratios, int max_skips) {
  std::vector<double> errors;
  const int calls = static_cast<int>(ratios.size());
  for (int begin = 1; begin < calls; ++begin) {
    double ratio = 1;
    double error = 0;
    for (int call = begin; call < std::min(calls, begin + max_skips); ++call) {
      ratio *= ratios[call];
      error += std::abs(1 - ratio);
      errors.push_back(error);
    }
  }
  std::ranges::sort(errors);
  errors.erase(std::unique(errors.begin(), errors.end()), errors.end());
  return errors;
}

// One threshold between each two neighbours of `errors`, and one above all; thinned out evenly.
std::vector<double> ThresholdsBetween(const std::vector<double>& errors) {
  std::vector<double> thresholds;
  const size_t step = std::max<size_t>(1, errors.size() / kMostThresholds);
  for (size_t i = 0; i + 1 < errors.size(); i += step) {
    thresholds.push_back((errors[i] + errors[i + 1]) / 2);
  }
  if (!errors.empty()) thresholds.push_back(errors.back() * 1.01 + 1e-9);
  return thresholds;
}

int ComputedCalls(const MagCacheOptions& options) {
  return static_cast<int>(std::ranges::count(MagCacheSchedule(options), true));
}

}  // namespace

std::vector<double> MeanChangeByCall(const PairSet& pairs) {
  if (pairs.calls < 2) {
    ThrowUserError("mask", "must know the calls of a run (>= 2) but has {}", pairs.calls);
  }
  std::vector<double> change(pairs.calls, 0);
  std::vector<double> count(pairs.calls, 0);
  for (const Pair& pair : pairs.pairs) {
    change[pair.call] += pair.y;
    ++count[pair.call];
  }
  double largest = 0;
  for (int call = 1; call < pairs.calls; ++call) {
    if (count[call] > 0) change[call] /= count[call];
    largest = std::max(largest, change[call]);
  }
  for (int call = 1; call < pairs.calls; ++call) {
    if (count[call] == 0) change[call] = largest;
  }
  return change;
}

std::vector<bool> StepMask(const std::vector<double>& change, int computed) {
  const int calls = static_cast<int>(change.size());
  const bool single = calls == 1 && computed == 1;
  if (!single && (computed < 2 || computed > calls)) {
    ThrowUserError(
        "mask", "computed calls must be between 2 and the run's {} but is {}", calls, computed);
  }
  if (single) return {true};
  // total[i] = change from call 0 to call i; sums[i] = total[0] + ... + total[i - 1].
  std::vector<double> total(calls, 0);
  std::vector<double> sums(calls + 1, 0);
  for (int i = 0; i < calls; ++i) {
    total[i] = i == 0 ? 0 : total[i - 1] + change[i];
    sums[i + 1] = sums[i] + total[i];
  }
  // Calls i and j computed, none between them.
  const auto cost = [&](int i, int j) { return sums[j] - sums[i + 1] - (j - i - 1) * total[i]; };
  // best[c][j]: least cost up to call j, which is the (c + 1)-th computed one; from[c][j]: the one
  // before it.
  std::vector<std::vector<double>> best(computed, std::vector<double>(calls, kInfinity));
  std::vector<std::vector<int>> from(computed, std::vector<int>(calls, -1));
  best[0][0] = 0;
  for (int c = 1; c < computed; ++c) {
    for (int j = c; j < calls; ++j) {
      for (int i = c - 1; i < j; ++i) {
        const double value = best[c - 1][i] + cost(i, j);
        if (value >= best[c][j]) continue;
        best[c][j] = value;
        from[c][j] = i;
      }
    }
  }
  std::vector<bool> mask(calls, false);
  int call = calls - 1;
  for (int c = computed - 1; c >= 0; --c) {
    mask[call] = true;
    call = from[c][call];
  }
  return mask;
}

std::vector<bool> StaticMask(const PairSet& pairs, double skips) {
  const std::vector<double> change = MeanChangeByCall(pairs);
  const double most = pairs.calls - 2;
  return StepMask(change, pairs.calls - static_cast<int>(std::ceil(std::clamp(skips, 0.0, most))));
}

std::map<std::string, std::vector<double>> MagnitudeRatios(const Trace& trace) {
  const int calls = trace.header.calls;
  // (prompt, seed, branch) -> sum|residual| of call i - 1 at i.
  std::map<std::tuple<std::string, int64_t, std::string>, std::vector<double>> runs;
  for (const TraceRow& row : trace.rows) {
    std::vector<double>& sums = runs[{row.prompt, row.seed, row.branch}];
    sums.resize(calls, 0);
    if (row.res.measured()) sums[row.call] = row.res.prev_l1;
  }
  struct Sum {
    double ratio = 0;
    int n = 0;
  };
  std::map<std::string, std::vector<Sum>> branches;
  for (const auto& [key, sums] : runs) {
    std::vector<Sum>& total = branches[std::get<2>(key)];
    total.resize(calls);
    for (int call = 1; call + 1 < calls; ++call) {
      if (!(sums[call] > 0) || !(sums[call + 1] > 0)) continue;
      total[call].ratio += sums[call + 1] / sums[call];
      ++total[call].n;
    }
  }
  std::map<std::string, std::vector<double>> ratios;
  for (const auto& [branch, total] : branches) {
    std::vector<double> list(calls, 1.0);
    bool any = false;
    for (int call = 1; call < calls; ++call) {
      list[call] = total[call].n > 0 ? total[call].ratio / total[call].n : list[call - 1];
      any = any || total[call].n > 0;
    }
    if (any) ratios[branch] = list;
  }
  return ratios;
}

std::vector<bool> MagCacheSchedule(const MagCacheOptions& options) {
  const auto policy = MakeMagCachePolicy(options);
  PolicyState state;
  std::vector<bool> computed;
  const int calls = static_cast<int>(options.ratios.size());
  for (int call = 0; call < calls; ++call) {
    computed.push_back(policy->Decide({call, calls}, &state).compute);
  }
  return computed;
}

MagCacheOptions MatchMagCache(const std::vector<double>& ratios, int computed) {
  const int calls = static_cast<int>(ratios.size());
  MagCacheOptions options;
  options.ratios = ratios;
  options.threshold = 0;
  MagCacheOptions nearest = options;
  int distance = std::abs(calls - computed);
  const int published = options.max_skips;
  for (const double retention : {options.retention, 0.1, 0.05, 0.0}) {
    options.retention = retention;
    for (int skips = published; skips < std::max(calls, published + 1);
         skips += skips < 8 ? 1 : skips / 4) {
      options.max_skips = skips;
      for (const double threshold : ThresholdsBetween(ErrorsOfRuns(ratios, skips))) {
        if (distance == 0) return nearest;
        options.threshold = threshold;
        const int off = std::abs(ComputedCalls(options) - computed);
        if (off >= distance) continue;
        distance = off;
        nearest = options;
      }
    }
  }
  return nearest;
}

}  // namespace teacache
