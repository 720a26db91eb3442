#include "runners/use_plan.h"

#include "runners/systems/pixel_key.h"

namespace teacache {

PlannedSchedule UsePlan(const std::string& path, int computed, const SystemInfo& system) {
  const SchedulePlan plan = ReadSchedulePlan(path);
  CheckPlanBelongs(plan, MakeTraceHeader(system, {}), path);
  return plan.WithComputed(computed, path);
}

}  // namespace teacache
