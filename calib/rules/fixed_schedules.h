#pragma once

// What is given to engines without coefficients: schedules that look at no signal.

#include <map>
#include <string>
#include <vector>

#include "calib/pairs.h"
#include "calib/rules/cache_policy.h"
#include "datasets/trace/trace.h"

namespace teacache {

// Mean y of the pairs of each call number, [calls]: how much the residual changes from call to
// call, by the step alone. 0 at call 0; a call that was never measured gets the largest mean.
// Throws UserError unless pairs.calls >= 2.
std::vector<double> MeanChangeByCall(const PairSet& pairs);

// The schedule with exactly `computed` computed calls, the first and the last among them, that
// makes the sum over skipped calls of the change since the last computed call as small as possible
// (dynamic programming over `change`, as MeanChangeByCall gives it). Throws UserError unless
// 2 <= computed <= change.size(), or both are 1.
std::vector<bool> StepMask(const std::vector<double>& change, int computed);

// A schedule for engines without coefficients: StepMask of MeanChangeByCall with `skips` skips,
// rounded up, or as many as are possible.
std::vector<bool> StaticMask(const PairSet& pairs, double skips);

// Mean over runs of sum|residual_t| / sum|residual_t-1| for each call, 1 for the first call; the
// last one repeats its predecessor, since a trace holds only sums of previous tensors. By branch.
// MagCache defines it with the L2 norm per token: L1 sums of whole tensors are close to it, not
// equal.
std::map<std::string, std::vector<double>> MagnitudeRatios(const Trace& trace);

// The schedule of MagCache's rule for a run of options.ratios.size() calls.
std::vector<bool> MagCacheSchedule(const MagCacheOptions& options);

// MagCache with `computed` computed calls: at the published retention and limit of skips where they
// reach it, otherwise with a larger limit, otherwise with a smaller retention too. Where no setting
// of the rule has exactly so many (ratios of 1 are always skipped), the nearest.
MagCacheOptions MatchMagCache(const std::vector<double>& ratios, int computed);

}  // namespace teacache
