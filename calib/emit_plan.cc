#include "calib/emit_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "calib/plan/dpcache.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

constexpr const char* kDpCache = "dpcache";

EmitInput InputOf(const SchedulePlan& plan, const PlannedSchedule& schedule) {
  EmitInput input;
  input.mask = schedule.computed;
  input.coefficients.set.coefficients = {0};  // mask formats write none
  CoefficientProvenance& provenance = input.coefficients.provenance;
  const TraceHeader& recipe = plan.recipe;
  provenance.model = recipe.model;
  provenance.scheduler = recipe.scheduler;
  provenance.dtype = recipe.dtype;
  provenance.tool_version = recipe.tool_version;
  provenance.guidance = recipe.guidance;
  provenance.steps = recipe.steps;
  provenance.calls = recipe.calls;
  provenance.width = recipe.width;
  provenance.height = recipe.height;
  provenance.frames = recipe.frames;
  provenance.prompts = plan.prompts;
  provenance.runs = plan.runs;
  if (schedule.forecast > 0) {
    input.notes.push_back(fmt::format(
        "planned for forecasts of order {}: where the engine puts in the last residual, plan with "
        "--forecast 0",
        schedule.forecast));
  }
  return input;
}

std::string DpCacheProvenance(const SchedulePlan& plan) {
  nlohmann::ordered_json j;
  j["format"] = "teacache-emitted";
  j["version"] = 1;
  j["file"] = "dpcache.json";
  j["engine"] = kDpCache;
  j["usage"] = "SGLang: its folder is --dpcache-schedule-dir";
  j["model"] = plan.recipe.model;
  j["plan"] = nlohmann::ordered_json::parse(SchedulePlanToJson(plan));
  j["warnings"] = {
      "DPCache extrapolates the blocks' output by step number; the costs are of their residual in "
      "the scheduler's time, relative to its size, so calibrated_cost has another unit than "
      "DPCache's own"};
  return j.dump(2) + "\n";
}

}  // namespace

std::string PlanFormatNames() {
  std::string names;
  for (const EmitFormat& format : EmitFormats()) {
    if (format.needs == EmitFormat::Needs::kMask) names += format.name + ", ";
  }
  return names + kDpCache;
}

std::vector<std::string> EmittedPlanNames(const std::string& format) {
  if (format == kDpCache) return {"dpcache.json", "dpcache.json.provenance.json"};
  const auto found = std::ranges::find(EmitFormats(), format, &EmitFormat::name);
  if (found == EmitFormats().end() || found->needs != EmitFormat::Needs::kMask) {
    ThrowUserError("--emit", "must be of {} but is \"{}\"", PlanFormatNames(), format);
  }
  return EmittedNames(format);
}

std::vector<EmittedFile> EmitPlan(const std::string& format,
                                  const SchedulePlan& plan,
                                  const std::string& request) {
  const std::vector<std::string> names = EmittedPlanNames(format);
  if (plan.schedules.size() != 1) {
    ThrowUserError("--emit",
                   "writes one schedule but the plan has {}; give one --budget",
                   plan.schedules.size());
  }
  const PlannedSchedule& schedule = plan.schedules.front();
  if (format == kDpCache) {
    if (request.empty()) {
      ThrowUserError("--request",
                     "must name a file with the block \"request\" of a DPCache schedule");
    }
    return {{names[0], DpCacheSchedule(plan, schedule, ReadFile(request), request)},
            {names[1], DpCacheProvenance(plan)}};
  }
  EmitInput input = InputOf(plan, schedule);
  input.rule = FindEngineRule(FindEmitFormat(format).rule);
  return Emit(format, input);
}

}  // namespace teacache
