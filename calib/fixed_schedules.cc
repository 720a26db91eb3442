#include "calib/fixed_schedules.h"

#include <cmath>
#include <tuple>

#include "calib/polynomial.h"
#include "calib/replay.h"
#include "calib/threshold.h"
#include "datasets/error.h"

namespace teacache {

std::vector<bool> StaticMask(const PairSet& pairs, double skips) {
  ReplayInput input;
  input.calls = pairs.calls;
  if (input.calls < 2) {
    ThrowUserError("mask", "must know the calls of a run (>= 2) but has {}", pairs.calls);
  }
  input.prompts = {""};
  SignalRun run;
  run.x.assign(input.calls, 0);
  std::vector<double> count(input.calls, 0);
  for (const Pair& pair : pairs.pairs) {
    run.x[pair.call] += pair.y;
    ++count[pair.call];
  }
  for (int call = 0; call < input.calls; ++call) {
    // A call that was never measured is computed.
    run.x[call] = count[call] > 0 ? run.x[call] / count[call] : std::nan("");
  }
  input.runs = {run};
  ReplayOptions options{FindEngineRule("teacache"), Polynomial({1, 0}), 0, {}};
  if (skips <= 0) return std::vector<bool>(input.calls, true);
  options.threshold = ChooseThreshold(input, options, {.skips = skips}).threshold;
  return ReplayRun(run, options);
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

}  // namespace teacache
