#pragma once

#include <string>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// MergeTraces that takes traces of several tasks and weights, on purpose: what differs is unknown
// in the merged header, and a warning names it.
Trace MergeMixedTraces(const std::vector<Trace>& traces, const std::vector<std::string>& names);

}  // namespace teacache
