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
  // Which calls the branch makes, [calls]; empty = all. It has none outside a guidance interval.
  std::vector<bool> exists = {};
  int calls = 0;  // of the run, at whose end the rule computes; 0 = as many as x
  int part = 0;   // which segment and sample of the run

  bool Exists(int call) const { return exists.empty() || exists[call]; }
  int Calls() const { return calls > 0 ? calls : static_cast<int>(x.size()); }
};

// What is replayed: uncached runs. Once calls are skipped the latents drift, so a schedule is an
// approximation, except where x depends on time only, or where the run was recorded while it was
// cached by the same rule: then it is exact.
struct ReplayInput {
  int calls = 0;
  std::vector<std::string> prompts;
  std::vector<SignalRun> runs;
  bool time_only = false;  // x is the same in all runs
  // Calls that a run and branch makes, on average; 0 = `calls`.
  double calls_per_run = 0;
  // Evaluations of the model that the decision about a call covers, [calls]; empty = one each.
  std::vector<double> evaluations = {};
  double ms_call = 0;     // mean measured milliseconds of a computed call; 0 = not measured
  double ms_skipped = 0;  // of a skipped one (embedding and head)
};

// Runs are complete when every call has a row in one of their branches; others are left out with a
// warning in `warnings` (may be null). A branch may lack calls (a guidance interval): it is
// replayed where it exists. Rows without sums, and first calls after a gap, have no signal and are
// computed.
enum class RunLengths {
  kWhole,     // incomplete runs are left out
  kComplete,  // the trace holds some branches of complete runs
  kOwn,       // a run ends with its own last call, as an expert's does
};
ReplayInput MakeReplayInput(const Trace& trace,
                            const EngineRule& rule,
                            std::vector<std::string>* warnings = nullptr,
                            RunLengths lengths = RunLengths::kWhole);
// From pairs that have no sums: the epsilon of a rule is not applied.
ReplayInput MakeReplayInput(const PairSet& pairs, std::vector<std::string>* warnings = nullptr);

// Runs whose branches decide together.
struct RunGroup {
  std::vector<size_t> runs;  // indices into ReplayInput::runs
  int deciding = -1;         // index into `runs`, see DecidingBranch
};
// The branches of a sample where the rule joins them, else each run alone; in the input's order.
std::vector<RunGroup> GroupRuns(const ReplayInput& input, const EngineRule& rule);

// Evaluations of a call: 1 unless a decision covers several.
double EvaluationsOf(const ReplayInput& input, int call);

// Speed-up when a run and branch skips so many evaluations (calls, where each is one); times as in
// ReplayInput. Without measured times a skipped call costs nothing.
double SpeedUp(const ReplayInput& input, double skips);

}  // namespace teacache
