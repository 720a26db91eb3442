#pragma once

#include <string>

#include "datasets/trace/schedule_plan.h"
#include "runners/systems/system.h"

namespace teacache {

// The schedule with `computed` computed calls (0 = the only one) of the plan in a file. Throws
// UserError where the plan was made for other runs than the system's, naming what differs.
PlannedSchedule UsePlan(const std::string& path, int computed, const SystemInfo& system);

}  // namespace teacache
