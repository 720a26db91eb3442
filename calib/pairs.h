#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/base/choices.h"
#include "datasets/trace/trace.h"

namespace teacache {

// One point of a calibration: between call `call - 1` and `call` of one run the modulated input
// changed by x and the target by y (both relative L1).
struct Pair {
  double x = 0;
  double y = 0;
  int prompt = 0;  // index into PairSet::prompts
  int branch = 0;  // index into PairSet::branches
  int64_t seed = 0;
  int call = 1;  // 0-based number of the later call
  int step = 1;  // its denoising step
  double weight = 1;
};

struct PairSet {
  std::vector<Pair> pairs;
  std::vector<std::string> prompts;   // texts; "0", "1", ... where a file has numbers only
  std::vector<std::string> branches;  // "batched", "cond", ...
  std::string expert;                 // "" = the only one
  int steps = 0;                      // of a run; 0 = unknown
  int calls = 0;                      // of a run; 0 = unknown
  bool means = false;                 // pairs are means over prompts, weights how many
  std::vector<std::string> warnings;
};

// What to take from a trace.
struct PairOptions {
  enum class Target {
    kResidual,  // y = change of the blocks' residual (what the cache keeps)
    kOutput,    // y = change of the blocks' output
  };
  enum class Branches {
    kAll,      // every branch's pair on its own
    kWorst,    // of the branches of a call the pair with the larger y
    kAverage,  // sums of the branches added up: what a batched call measures
    kCond,     // "cond" (or "batched") only
    kUncond,   // "uncond" only
  };
  Target target = Target::kResidual;
  Branches branches = Branches::kAll;
  std::optional<std::string> expert = std::nullopt;  // only rows of this expert; unset = all rows
  int first_step = 0;                                // window of steps, both ends included
  int last_step = -1;                                // -1 = the last one
  bool drop_first_call = false;                      // leave out pairs of call 1
  bool drop_last_call = false;  // leave out pairs of the run's last call, always computed
  // Calls that the engine always computes, by number; their pairs are left out. Empty = none.
  std::vector<bool> forced_calls = {};
};

// The pairs of a trace in order of prompt, seed, branch, call. Rows whose denominators are zero are
// left out with a warning that counts them; so are the first calls after a change of expert,
// silently. Throws UserError when nothing is left or when the trace has no such target, expert or
// branch.
PairSet ExtractPairs(const Trace& trace, const PairOptions& options = {});

// The experts of a trace in order of their names; {""} for models with one.
std::vector<std::string> Experts(const Trace& trace);

inline constexpr Choices<PairOptions::Target, 2> kPairTargets = {
    {{"residual", PairOptions::Target::kResidual}, {"output", PairOptions::Target::kOutput}}};
inline constexpr Choices<PairOptions::Branches, 5> kPairBranches = {{
    {"all", PairOptions::Branches::kAll},
    {"worst", PairOptions::Branches::kWorst},
    {"average", PairOptions::Branches::kAverage},
    {"cond", PairOptions::Branches::kCond},
    {"uncond", PairOptions::Branches::kUncond},
}};
std::string ToString(PairOptions::Target target);
std::string ToString(PairOptions::Branches branches);

// False for pairs without steps under a single name: it stands for all of them.
bool PromptsKnown(const PairSet& set);

// What the fit sees.
std::vector<double> Xs(const PairSet& set);
std::vector<double> Ys(const PairSet& set);
std::vector<double> Weights(const PairSet& set);  // empty where all are 1

// Statistical weights: each call number counts equally ("steps"), or by one over the variance of y
// at that call ("variance"), mean 1; empty for "none". Throws UserError for another name.
std::vector<double> MakeWeights(const PairSet& pairs, const std::string& kind);

// The pairs of calls that are not forced (see PairOptions::forced_calls), everything else the same.
PairSet WithoutCalls(PairSet set, const std::vector<bool>& forced_calls);

}  // namespace teacache
