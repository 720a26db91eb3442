#pragma once

#include <string>
#include <vector>

#include "calib/pairs.h"
#include "datasets/trace/trace.h"

namespace teacache {

// One order for the rows and pairs of a calibration. Sums of numbers, the numbering of prompts and
// the draws of resamples follow it, so that no digit depends on the order of lines or files, nor on
// how rows are split over files.

// By prompt (NaturalLess), seed, branch, stream, segment, sample, expert and call.
void SortRows(Trace* trace);

// Tensor shards in the order in which MergeTraces adds them up, with the names of their files.
void SortShards(std::vector<Trace>* traces, std::vector<std::string>* names);

// Prompts and branches by name, pairs by prompt, seed, branch and call. Where calls are unknown,
// pairs go by x and y, and are numbered in this order.
void SortImportedPairs(PairSet* set);

}  // namespace teacache
