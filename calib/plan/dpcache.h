#pragma once

#include <string>

#include "datasets/trace/schedule_plan.h"

namespace teacache {

// A schedule as SGLang's DPCache reads it (schema sglang-dpcache-schedule-v2, runtime/cache/
// dpcache.py of sglang.multimodal_gen): JSON for --dpcache-schedule-dir. `request` is the JSON of
// the block "request" of any DPCache schedule for the same requests (checkpoint, sigmas, attention
// backend, ...), which only the engine knows.
//
// Throws UserError unless the schedule is one that DPCache can run: linear forecasts, at least two
// computed calls at the start, one call a step, bfloat16; and for a request that lacks fields or
// differs from the plan in steps, size, guidance or dtype.
//
// DPCache extrapolates the output of the blocks by step number, the toolkit their residual in the
// scheduler's time. On evenly spaced times the two differ by the change of the blocks' input.
std::string DpCacheSchedule(const SchedulePlan& plan,
                            const PlannedSchedule& schedule,
                            const std::string& request,
                            const std::string& where);

}  // namespace teacache
