#pragma once

// What is given to engines without coefficients: schedules that look at no signal.

#include <map>
#include <string>
#include <vector>

#include "calib/pairs.h"
#include "datasets/trace.h"

namespace teacache {

// A schedule for engines without coefficients: calls accumulate the mean y of their number, as if
// it were the signal, and are skipped below a threshold that gives at least `skips` skips (or as
// many as are possible). First and last call computed.
std::vector<bool> StaticMask(const PairSet& pairs, double skips);

// Mean over runs of sum|residual_t| / sum|residual_t-1| for each call, 1 for the first call; the
// last one repeats its predecessor, since a trace holds only sums of previous tensors. By branch.
// MagCache defines it with the L2 norm per token: L1 sums of whole tensors are close to it, not
// equal.
std::map<std::string, std::vector<double>> MagnitudeRatios(const Trace& trace);

}  // namespace teacache
