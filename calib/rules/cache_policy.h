#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "calib/rules/engine_rules.h"
#include "calib/rules/skip_rule.h"

namespace teacache {

// Cache policies as pure functions: whether call i of a run is computed or skipped depends on the
// call's position, the relative change r of the modulated input, and a small state that belongs to
// one sample (and one guidance branch). Those that accumulate (TeaCache by any engine's rule,
// MagCache) step through skip_rule.h, as the replay of traces and the sweep over thresholds do.

// What a policy looks at in a call, so that callers measure nothing else.
enum class PolicySignal {
  kNone,
  kModulated,   // relative L1 change of the modulated input from the call before
  kFirstBlock,  // relative L1 change of the first block's residual since the last computed call
  kLatent,      // mean|x - x'|, x the latent and x' that of the call before; then Learn() is called
};

// What a policy sees of one transformer call.
struct PolicyCall {
  int call = 0;   // 0-based
  int calls = 0;  // calls of the whole run
  // The signal; not looked at in forced calls. NaN = unknown, as in the first call or where what it
  // is relative to was 0: the call is computed.
  double r = 0;
  // Whether the model's reference implementation, which compares timesteps by value, computes this
  // call for sure. Without a value the rule decides by the call's position.
  std::optional<bool> forced = std::nullopt;
};

struct PolicyState {
  SkipState skip;
  double ratio = 1;  // of MagCache: the residual's size now over its size when it was computed
  // Of EasyCache, from the last computed calls; NaN = unknown.
  double output_size = std::numeric_limits<double>::quiet_NaN();
  double rate = std::numeric_limits<double>::quiet_NaN();  // output change over latent change
};

// A computed call: y is the branch's prediction, x the latent; y' and x' are those of the computed
// call before, NaN without one.
struct ComputedCall {
  double output_size = 0;                                           // mean|y|
  double output_change = std::numeric_limits<double>::quiet_NaN();  // mean|y - y'|
  double latent_change = std::numeric_limits<double>::quiet_NaN();  // mean|x - x'|
};

struct PolicyDecision {
  bool compute = true;
  bool forced = false;     // no signal was evaluated
  double rescaled = 0;     // v of skip_rule.h; 0 when forced
  double accumulated = 0;  // the value compared with the threshold; 0 when forced
};

class CachePolicy {
 public:
  virtual ~CachePolicy() = default;
  virtual PolicySignal signal() const { return PolicySignal::kNone; }
  // The engine's rule, which also says how r is measured (RelativeChange) and how the branches of a
  // call are joined (SkipTogether); null = plainly, and each branch by its own decision.
  virtual const EngineRule* rule() const { return nullptr; }
  // Decides and updates `state`. Call 0 is always computed, and so is a call whose signal is looked
  // at and is not finite. Throws UserError for a call outside the run.
  virtual PolicyDecision Decide(const PolicyCall& call, PolicyState* state) const = 0;
  // After each computed call, for policies that look at the latent.
  virtual void Learn(const ComputedCall& /*computed*/, PolicyState* /*state*/) const {}
};

// TeaCache (arXiv 2411.19108, eq. 5) by the rule of an engine; by default that of the reference
// (ali-vilab/TeaCache experiments): first and last call computed, f not clamped, so that the
// accumulator falls where f is negative.
struct TeaCacheOptions {
  double threshold = 0.1;  // >= 0; 0 = never skip
  Polynomial polynomial;   // highest power first
  EngineRule rule = FindEngineRule("teacache");
  Interval range = {};  // calibrated r, for rules that guard it; empty (0, 0) = no guard
};

// MagCache (arXiv 2506.09045; reference behaviour: Zehong-Ma/MagCache, MagCache4Wan2.1):
//   forced for the first int(calls * retention) calls: compute
//   otherwise ratio *= ratios[call], v = |1 - ratio|, skipped as in skip_rule.h, at most max_skips
//   in a row; a computed call sets the ratio back to 1.
// No signal is looked at. The last call is not forced, as in the reference. Its code for Open-Sora
// differs in adding 1 - ratio without the absolute value and in skipping at equality.
struct MagCacheOptions {
  double threshold = 0.12;     // >= 0; 0 = never skip
  int max_skips = 3;           // in a row, >= 1; "K" in the reference
  double retention = 0.2;      // share of the run that is computed at its start, 0 to 1
  std::vector<double> ratios;  // [calls] size of the residual over that of the call before
};

// First-block cache (diffusers' first_block_cache.py, after ParaAttention): the first block always
// runs; the others are skipped iff r <= threshold. No call but the first is forced. There a NaN
// skips, here it computes.
struct FirstBlockOptions {
  double threshold = 0.05;  // >= 0; 0 = skip only where nothing changed
};

// EasyCache (H-EmbodVis/EasyCache, EasyCache4Wan2.2): an output is foreseen to change as the latent
// does, at the rate between the last two computed calls:
//   forced for the first first_calls calls and the last one; sum = 0
//   v = rate * mean|x - x'| / mean|y|, y the last computed output, skipped as in skip_rule.h;
//   computed while no rate is known
// Branches that are computed apart follow the conditional one. The reference skips the whole
// transformer, here embedding and head run; of a batched branch, both halves are looked at.
struct EasyCacheOptions {
  double threshold = 0.05;  // >= 0; 0 = never skip
  int first_calls = 7;      // computed at the start, >= 0
};

std::unique_ptr<CachePolicy> MakeNoCachePolicy();
// Throws UserError for a threshold that is negative or not finite, and for a polynomial that has no
// coefficients or one that is not finite.
std::unique_ptr<CachePolicy> MakeTeaCachePolicy(const TeaCacheOptions& options);
// Computes `computed_calls` of the run's calls, spaced evenly, first and last included (>= 2, or 1
// for runs of one call).
std::unique_ptr<CachePolicy> MakeUniformPolicy(int computed_calls);
// Computes call i where mask[i] is true; a run must have exactly mask.size() calls.
std::unique_ptr<CachePolicy> MakeMaskPolicy(std::vector<bool> mask);

// A run must have exactly options.ratios.size() calls. Throws UserError for values outside the
// ranges above.
std::unique_ptr<CachePolicy> MakeMagCachePolicy(MagCacheOptions options);

// Throws UserError for a threshold that is negative or not finite.
std::unique_ptr<CachePolicy> MakeFirstBlockPolicy(const FirstBlockOptions& options);

// Throws UserError for values outside the ranges above.
std::unique_ptr<CachePolicy> MakeEasyCachePolicy(const EasyCacheOptions& options);

// The evenly spaced call numbers of MakeUniformPolicy: round(i * (calls - 1) / (computed - 1)),
// halves up, i = 0 ... computed - 1. Throws UserError unless 2 <= computed <= calls or both are 1.
std::vector<bool> UniformMask(int calls, int computed_calls);

}  // namespace teacache
