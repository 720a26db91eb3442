#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "calib/pairs.h"
#include "calib/rules/engine_rules.h"
#include "datasets/trace/trace.h"

namespace teacache {

// The signal of one run and branch.
struct SignalRun {
  int prompt = 0;
  int64_t seed = 0;
  std::string branch;
  std::vector<double> x;  // [calls]; x[0] is not used; NaN = missing: computed, accumulator to 0
};

// What is replayed: uncached runs. Once calls are skipped the latents drift, so a schedule is an
// approximation, except where x depends on time only: then it is exact.
struct ReplayInput {
  int calls = 0;
  std::vector<std::string> prompts;
  std::vector<SignalRun> runs;
  bool time_only = false;  // x is the same in all runs
  double ms_call = 0;      // mean measured milliseconds of a computed call; 0 = not measured
  double ms_skipped = 0;   // of a skipped one (embedding and head)
};

// Runs that lack calls are left out with a warning in `warnings` (may be null).
ReplayInput MakeReplayInput(const Trace& trace,
                            const EngineRule& rule,
                            std::vector<std::string>* warnings = nullptr);
// From pairs that have no sums: the epsilon of a rule is not applied.
ReplayInput MakeReplayInput(const PairSet& pairs, std::vector<std::string>* warnings = nullptr);

struct ReplayOptions {
  EngineRule rule;
  Polynomial polynomial;
  double threshold = 0;
  Range range;  // calibrated x, for rules that guard it; empty (0, 0) = no guard
};

// The schedule of one run: true = computed.
std::vector<bool> ReplayRun(const SignalRun& run, const ReplayOptions& options);

struct ReplayedRun {
  std::vector<bool> computed;  // [calls]
  int skips = 0;
  int longest_run = 0;  // of consecutive skips
};

struct ReplaySummary {
  double threshold = 0;
  std::vector<ReplayedRun> runs;  // in the order of the input
  double mean_skips = 0;
  int min_skips = 0;
  int max_skips = 0;
  Range skips95;  // bootstrap interval of mean_skips over prompts
  int longest_run = 0;
  // Calls at which branches of the same run decide differently, as a share of all calls; 0 with one
  // branch.
  double disagreement = 0;
  double speedup = 1;  // predicted, of the transformer calls: sum of call times / with skips
};

ReplaySummary Replay(const ReplayInput& input, const ReplayOptions& options);

// "CCSC...": computed and skipped calls.
std::string ScheduleText(const std::vector<bool>& computed);

// One threshold of a sweep; means are over runs.
struct SweepPoint {
  double threshold = 0;
  double mean_skips = 0;
  int min_skips = 0;
  int max_skips = 0;
  int longest_run = 0;
  double speedup = 1;
};

// All thresholds at once: f is evaluated once per call, and the thresholds run side by side. The
// same figures as Replay at each threshold.
std::vector<SweepPoint> Sweep(const ReplayInput& input,
                              const ReplayOptions& options,
                              const std::vector<double>& thresholds);

// `count` thresholds that cover everything from no skip to all skips, denser at the low end.
std::vector<double> SweepThresholds(const ReplayInput& input,
                                    const ReplayOptions& options,
                                    int count);

// A sweep of so many thresholds; nothing for fewer than 2.
std::vector<SweepPoint> SweepCurve(const ReplayInput& input,
                                   const ReplayOptions& options,
                                   int points);

// Speed-up when of `calls` calls `skips` are skipped; times as in ReplayInput. Without measured
// times a skipped call costs nothing.
double SpeedUp(const ReplayInput& input, double skips);

}  // namespace teacache
