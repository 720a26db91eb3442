#include "datasets/trace/schedule_plan.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/trace/segment_costs.h"
#include "datasets/trace/trace_format.h"

namespace teacache {

template <typename Archive>
void Visit(Archive& archive, PlannedSchedule& schedule) {
  archive.Required("calls", CallsText{schedule.computed});
  archive.Check(!schedule.computed.empty() && schedule.computed.front(),
                "must begin with a computed call (C)");
  archive.Optional("forecast", schedule.forecast);
  archive.CheckBetween(
      schedule.forecast,
      0,
      std::min(SegmentCosts::kMaxOrder, std::max(0, schedule.ComputedCalls() - 1)));
  archive.Required("cost", schedule.cost);
  archive.Check(schedule.cost >= 0, "must not be negative");
  archive.Required("worst", schedule.worst);
  archive.Check(schedule.worst >= 0, "must not be negative");
  archive.Optional("left_out", schedule.left_out);
  archive.Check(schedule.left_out.value_or(0) >= 0, "must not be negative");
}

template <typename Archive>
void Visit(Archive& archive, SchedulePlan& plan) {
  archive.Format("teacache-plan", SchedulePlan::kVersion);
  archive.Required("measure", plan.measure);
  const auto is_one_of = [](const std::string& name, std::initializer_list<const char*> names) {
    return std::ranges::find(names, name) != names.end();
  };
  archive.Check(is_one_of(plan.measure, {"residual", "latent", "weighted"}),
                "must be \"residual\", \"latent\" or \"weighted\"");
  archive.Required("objective", plan.objective);
  archive.Check(is_one_of(plan.objective, {"sum", "squares", "minimax"}),
                "must be \"sum\", \"squares\" or \"minimax\"");
  archive.Optional("costs_sha256", plan.costs_sha256);
  archive.Required("prompts", plan.prompts);
  archive.Check(plan.prompts >= 1, "must be at least 1");
  archive.Required("runs", plan.runs);
  archive.Check(plan.runs >= plan.prompts, "must be at least as many as the prompts");
  archive.Required("first", plan.first);
  archive.Check(plan.first >= 1, "must be at least 1");
  archive.Required("last", plan.last);
  archive.Check(plan.last >= 0, "must not be negative");
  archive.Required("longest", plan.longest);
  archive.Check(plan.longest >= 0, "must not be negative");
  VisitRecipe(archive, plan.recipe);
  archive.Required("schedules", plan.schedules);
  archive.Check(!plan.schedules.empty(), "must not be empty");
  int computed = 0;
  for (const PlannedSchedule& schedule : plan.schedules) {
    archive.Check(std::ssize(schedule.computed) == plan.recipe.calls,
                  "must be of runs with as many calls as the plan");
    archive.Check(schedule.ComputedCalls() > computed, "must be ascending in computed calls");
    computed = schedule.ComputedCalls();
  }
}

int PlannedSchedule::ComputedCalls() const {
  return static_cast<int>(std::ranges::count(computed, true));
}

const PlannedSchedule& SchedulePlan::WithComputed(int computed_calls,
                                                  const std::string& where) const {
  if (computed_calls == 0 && schedules.size() == 1) return schedules.front();
  std::string counts;
  for (const PlannedSchedule& schedule : schedules) {
    if (schedule.ComputedCalls() == computed_calls) return schedule;
    counts += fmt::format("{}{}", counts.empty() ? "" : ", ", schedule.ComputedCalls());
  }
  if (computed_calls == 0) {
    ThrowUserError(where,
                   "holds several schedules, so that --computed-calls must be given, one of {}",
                   counts);
  }
  ThrowUserError(where,
                 "must have a schedule of {} computed calls but has those of {}",
                 computed_calls,
                 counts);
}

SchedulePlan ReadSchedulePlan(const std::string& path) {
  return FromJson<SchedulePlan>(ReadFile(path), path);
}

std::string SchedulePlanToJson(const SchedulePlan& plan) {
  return ToJson(plan, "plan", /*indent=*/2) + "\n";
}

void WriteSchedulePlan(const std::string& path, const SchedulePlan& plan) {
  AtomicWriteFile(path, ToJson(plan, path, /*indent=*/2) + "\n");
}

void CheckPlanBelongs(const SchedulePlan& plan, const TraceHeader& run, const std::string& where) {
  // What is tapped decides about no pixel, and parts are of the costs.
  TraceHeader planned = plan.recipe;
  planned.modulated = run.modulated;
  planned.shards = run.shards;
  planned.parts = run.parts;
  const std::string difference = FirstDifference(planned, run);
  if (difference.empty()) return;
  ThrowUserError(where,
                 "must be planned for the same runs but the plan and this run differ in {}",
                 difference);
}

}  // namespace teacache
