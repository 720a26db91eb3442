#pragma once

#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "calib/replay/replay_input.h"
#include "calib/rules/engine_rules.h"

namespace teacache {

// Runs of a trace through the rule that decides skips (calib/rules/skip_rule.h).
struct ReplayOptions {
  EngineRule rule;
  Polynomial polynomial;
  double threshold = 0;
  Interval range;  // calibrated x, for rules that guard it; empty (0, 0) = no guard
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
  Interval skips95;  // bootstrap interval of mean_skips over prompts
  int longest_run = 0;
  // Calls at which branches of the same run decide differently, as a share of all calls; 0 with one
  // branch.
  double disagreement = 0;
  double speedup = 1;  // predicted, of the transformer calls: sum of call times / with skips
};

ReplaySummary Replay(const ReplayInput& input, const ReplayOptions& options);

// "CCSC...": computed and skipped calls.
std::string ScheduleText(const std::vector<bool>& computed);
// "-" for calls that the run's branch does not make.
std::string ScheduleText(const SignalRun& run, const std::vector<bool>& computed);

}  // namespace teacache
