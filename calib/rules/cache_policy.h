#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "calib/fit/polynomial.h"

namespace teacache {

// Cache policies as pure functions: whether call i of a run is computed or skipped depends on the
// call's position, the relative change r of the modulated input, and a small state that belongs to
// one sample (and one guidance branch). The sampler and the offline replay use the same functions.

// What a policy sees of one transformer call.
struct PolicyCall {
  int call = 0;   // 0-based
  int calls = 0;  // calls of the whole run
  double r = 0;   // relative L1 change of the modulated input; 0 at call 0
  // The reference implementation compares timesteps by value to find the first and last step;
  // models fill these. PositionalCall() fills them by position, which is right for most.
  bool is_first = false;
  bool is_last = false;
};

// `is_first` at call 0 and `is_last` at call `calls - 1`.
PolicyCall PositionalCall(int call, int calls, double r);

struct PolicyState {
  double accumulated = 0;
  double ratio = 1;  // of MagCache: the residual's size now over its size when it was computed
  int skipped = 0;   // calls since the last computed one, of MagCache
};

struct PolicyDecision {
  bool compute = true;
  bool forced = false;     // no signal was evaluated
  double rescaled = 0;     // f(r); 0 when forced
  double accumulated = 0;  // the value compared with the threshold; 0 when forced
};

class CachePolicy {
 public:
  virtual ~CachePolicy() = default;
  // "none", "teacache", "uniform", "mask", "magcache"
  virtual std::string name() const = 0;
  // Whether `r` is looked at, so that callers can save its computation.
  virtual bool needs_signal() const = 0;
  // Decides and updates `state`. Call 0 is always computed. Throws UserError for a call outside the
  // run and for a signal that is looked at and is not finite.
  virtual PolicyDecision Decide(const PolicyCall& call, PolicyState* state) const = 0;
};

// TeaCache (arXiv 2411.19108, eq. 5; reference behaviour: ali-vilab/TeaCache experiments):
//   forced at the first and last call: compute, acc = 0
//   otherwise acc += f(r); skip iff acc < threshold, else compute and acc = 0.
// f is not clamped: where it is negative the accumulator falls, as in the reference. threshold 0
// computes every call even then.
struct TeaCacheOptions {
  double threshold = 0.1;  // >= 0; 0 = never skip
  Polynomial polynomial;   // highest power first
};

// MagCache (arXiv 2506.09045; reference behaviour: Zehong-Ma/MagCache, MagCache4Wan2.1):
//   forced for the first int(calls * retention) calls: compute
//   otherwise ratio *= ratios[call], skipped += 1, acc += |1 - ratio|;
//   skip iff acc < threshold and skipped <= max_skips, else compute and start over (1, 0, 0).
// No signal is looked at. The last call is not forced, as in the reference. Its code for Open-Sora
// differs in adding 1 - ratio without the absolute value and in skipping at equality.
struct MagCacheOptions {
  double threshold = 0.12;     // >= 0; 0 = never skip
  int max_skips = 3;           // in a row, >= 1; "K" in the reference
  double retention = 0.2;      // share of the run that is computed at its start, 0 to 1
  std::vector<double> ratios;  // [calls] size of the residual over that of the call before
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

// The evenly spaced call numbers of MakeUniformPolicy: round(i * (calls - 1) / (computed - 1)),
// halves up, i = 0 ... computed - 1. Throws UserError unless 2 <= computed <= calls or both are 1.
std::vector<bool> UniformMask(int calls, int computed_calls);

}  // namespace teacache
