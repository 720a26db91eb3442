#pragma once

#include <string>
#include <vector>

#include "calib/emitters/emit.h"
#include "datasets/trace/schedule_plan.h"

namespace teacache {

// The plan's only schedule in a format that an engine reads: "dpcache" (SGLang), or one of
// EmitFormats() that takes masks; beside it "<file>.provenance.json". `request`: file for "dpcache"
// (DpCacheSchedule). Throws UserError for other formats, for plans of several schedules, and where
// the engine cannot take it.
std::vector<EmittedFile> EmitPlan(const std::string& format,
                                  const SchedulePlan& plan,
                                  const std::string& request);

// The names of these files.
std::vector<std::string> EmittedPlanNames(const std::string& format);

// "cache-dit, sd-cpp, ..."
std::string PlanFormatNames();

}  // namespace teacache
