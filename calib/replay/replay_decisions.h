#pragma once

// How single calls are decided, the same for one threshold and for many.

#include <cstddef>
#include <vector>

#include "calib/replay/replay.h"

namespace teacache {

// What one call contributes to the accumulator; NaN = compute whatever the sum.
double Contribution(double x, const ReplayOptions& options);

// Calls that are computed without looking at the signal, the seeding call of a cache included.
std::vector<bool> AlwaysComputed(const EngineRule& rule, int calls);

// The runs whose branches are decided together, in order; otherwise each run alone.
std::vector<std::vector<size_t>> DecidedTogether(const ReplayInput& input, const EngineRule& rule);

// Which of the runs decides for all; -1 = they all do.
int Decider(const ReplayInput& input, const EngineRule& rule, const std::vector<size_t>& group);

}  // namespace teacache
