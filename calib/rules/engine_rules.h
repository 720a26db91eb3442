#pragma once

#include <string>
#include <vector>

namespace teacache {

// What an engine does with f(x): the settings of the rule in skip_rule.h, by which engines differ.
struct EngineRule {
  enum class Sign { kRaw, kAbsolute, kClamp };  // f, |f|, max(0, f)
  enum class Epsilon { kNone, kAdd, kFloor };   // denominator mean|prev|: + epsilon, or at least it
  // Guidance branches that are computed apart, each with its own sum, are computed
  enum class Branches {
    kSeparate,  // each by its own decision
    kEither,    // all if one of them decides so
    kCond,      // as the conditional one decides
  };

  std::string name;         // "teacache", "vllm-omni", ...
  std::string description;  // one line
  Sign sign = Sign::kRaw;
  int first_computed = 1;  // calls of a branch computed at the start
  int last_computed = 1;   // ... and at the end
  double cap = 0;          // accumulator's bound in thresholds; 0 = none
  Epsilon epsilon_kind = Epsilon::kNone;
  double epsilon = 0;
  Branches branches = Branches::kSeparate;
  bool keeps_sum_when_forced = false;
  bool seeds_cache = false;       // the first call that is not forced is computed: forced ones fill
                                  // no cache
  int max_consecutive_skips = 0;  // 0 = no limit
  bool guards_range = false;      // x below the calibrated range counts as its lower end, x above
                                  // it computes
};

// All rules, in the order in which they are listed to users.
const std::vector<EngineRule>& EngineRules();
// Throws UserError listing the names for one that is not known.
const EngineRule& FindEngineRule(const std::string& name);

// Whether the engine computes this call of a run whatever the signal, 0 <= call < calls.
bool IsForcedCall(const EngineRule& rule, int call, int calls);
// The same for every call of a run.
std::vector<bool> ForcedCalls(const EngineRule& rule, int calls);

}  // namespace teacache
