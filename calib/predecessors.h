#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// A change is one from a call to the next of the same run. A row's sums count only where they were
// taken against its direct predecessor: the call before, of the same prompt, seed, branch, expert,
// stream, segment and sample, with tensors of the same size. Everything else is left out, by
// reason.
enum class LeftOut {
  kNone,            // a pair
  kFirstCall,       // measured at call 0, which has no predecessor: state of the run before
  kGap,             // the call before is missing: a guidance interval, for instance
  kExpertChange,    // the call before was another expert's
  kSizeChange,      // the call before had another number of elements
  kNotMeasured,     // without the modulated input or without the target
  kChangeFromZero,  // a change from nothing: prev_l1 is 0
  kNoChange,        // the target did not change at all, while the modulated input did
  kOtherBranch,     // of a branch that is neither conditional nor unconditional
  kCopy,            // of a run that is an exact copy of another
};
// How many rows or pairs.
using LeftOutCounts = std::map<LeftOut, int64_t>;

// "gap", "size-change", ...: names as in JSON.
std::string ToString(LeftOut reason);
// "8 whose previous call is missing": what is counted.
std::string Describe(LeftOut reason, int64_t count);

// For each row whether its sums are against its direct predecessor; kNone, kFirstCall, kGap,
// kExpertChange or kSizeChange. A run may lack the row of call 0, where nothing is measured; then
// its call 1 has a predecessor.
std::vector<LeftOut> JudgePredecessors(const Trace& trace);

// Removes runs (prompt and seed) that are exact copies of earlier ones, as every rank of a
// tensor-parallel engine writes them. One sentence that names them; "" where all are different.
std::string RemoveCopies(Trace* trace, LeftOutCounts* left_out);

}  // namespace teacache
