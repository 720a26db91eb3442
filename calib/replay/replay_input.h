#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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
// approximation, except where x depends on time only, or where the run was recorded while it was
// cached by the same rule: then it is exact.
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

// Runs whose branches decide together.
struct RunGroup {
  std::vector<size_t> runs;  // indices into ReplayInput::runs
  int deciding = -1;         // index into `runs`, see DecidingBranch
};
// The branches of a sample where the rule joins them, else each run alone; in the input's order.
std::vector<RunGroup> GroupRuns(const ReplayInput& input, const EngineRule& rule);

// Speed-up when of `calls` calls `skips` are skipped; times as in ReplayInput. Without measured
// times a skipped call costs nothing.
double SpeedUp(const ReplayInput& input, double skips);

}  // namespace teacache
