#pragma once

#include <string>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// What a trace as a whole shows of how it was recorded, where each of its rows looks fine. One
// sentence each, for warnings:
// * sums with the few significant bits of bfloat16 or float16;
// * a residual or output that changes as the modulated input does, to the last digit;
// * branches whose changes are equal in every call of every run;
// * runs of several sizes under one header;
// * runs that begin after the first denoising step.
std::vector<std::string> TraceRemarks(const Trace& trace);

}  // namespace teacache
