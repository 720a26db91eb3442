#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calib/predecessors.h"
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
  int call = 1;   // 0-based number of the later call
  int step = 1;   // its denoising step
  int part = 0;   // which segment and sample of the run, 0 = the first or only one
  int calls = 0;  // of its run where they are fewer than PairSet::calls; 0 = as many
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
  LeftOutCounts left_out = {};        // rows of the wanted calls that gave no pair
  std::string wrong = {};  // why these pairs cannot be what they claim to be; "" = nothing found
  std::vector<std::string> warnings;
};

// What to take from a trace.
struct PairOptions {
  enum class Target {
    kResidual,  // y = change of the blocks' residual (what the cache keeps)
    kOutput,    // y = change of the blocks' output
  };
  enum class Branches {
    // The first three look at the branches of classifier-free guidance (IsGuidanceBranch); where a
    // trace has none of them, at all.
    kAll,      // every branch's pair on its own
    kWorst,    // of the branches of a call the pair with the larger y
    kAverage,  // sums of the branches added up: what a batched call measures
    kCond,     // "cond" (or "batched") only
    kUncond,   // "uncond" only
    kNamed,    // the one of PairOptions::branch
  };
  Target target = Target::kResidual;
  Branches branches = Branches::kAll;
  std::string branch = "";                           // with kNamed
  std::optional<std::string> expert = std::nullopt;  // only rows of this expert; unset = all rows
  int first_step = 0;                                // window of steps, both ends included
  int last_step = -1;                                // -1 = the last one
  bool drop_first_call = false;                      // leave out pairs of call 1
  bool drop_last_call = false;  // leave out pairs of the run's last call, always computed
  // Calls that the engine always computes, by number; their pairs are left out. Empty = none.
  std::vector<bool> forced_calls = {};
};

// The pairs of a trace in order of prompt, seed, part, branch, call. Rows that give no pair are
// counted by reason, with a warning. Throws UserError when nothing is left, when the trace has no
// such target, expert or branch, and when so many targets are exactly 0 that the recorder must have
// compared a tensor with itself. `judged` are the verdicts of JudgePredecessors where known
// already.
PairSet ExtractPairs(const Trace& trace,
                     const PairOptions& options = {},
                     const std::vector<LeftOut>* judged = nullptr);

// "batched", "cond", "uncond" and the other names of the two halves of guidance.
bool IsGuidanceBranch(std::string_view branch);
// Whether the options look at this branch; `guidance`: the trace has a guidance branch.
bool WantsBranch(const PairOptions& options, std::string_view branch, bool guidance);

// Looks for what pairs of any origin cannot be: targets that are exactly 0 while the input moves
// (UserError where it is more than a few; these are left out), and x that is exactly 0 at every
// second call (two branches in one sequence: PairSet::wrong).
void CheckPairs(PairSet* set);

// Removes runs that are exact copies of earlier ones, and their prompts. One sentence; "" = none.
std::string RemoveCopies(PairSet* set);

// The experts of a trace in order of their names; {""} for models with one.
std::vector<std::string> Experts(const Trace& trace);

inline constexpr Choices<PairOptions::Target, 2> kPairTargets = {
    {{"residual", PairOptions::Target::kResidual}, {"output", PairOptions::Target::kOutput}}};
inline constexpr Choices<PairOptions::Branches, 6> kPairBranches = {{
    {"all", PairOptions::Branches::kAll},
    {"worst", PairOptions::Branches::kWorst},
    {"average", PairOptions::Branches::kAverage},
    {"cond", PairOptions::Branches::kCond},
    {"uncond", PairOptions::Branches::kUncond},
    {"named", PairOptions::Branches::kNamed},  // SetBranches takes the branch's own name
}};
std::string ToString(PairOptions::Target target);
std::string ToString(PairOptions::Branches branches);
std::string BranchesName(const PairOptions& options);  // of kNamed the branch
// One of these names, or that of a branch.
void SetBranches(const std::string& text, PairOptions* options);

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
