#include "calib/plan/dpcache.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "datasets/base/error.h"
#include "datasets/base/version.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;

const std::set<std::string> kRequestFields = {"pipeline",
                                              "checkpoint",
                                              "num_inference_steps",
                                              "height",
                                              "width",
                                              "guidance_scale",
                                              "do_classifier_free_guidance",
                                              "quality",
                                              "attention_backend",
                                              "dtype",
                                              "scheduler",
                                              "scheduler_config_sha256",
                                              "timesteps",
                                              "sigmas"};

ordered_json ReadRequest(const std::string& text, const std::string& where) {
  ordered_json request = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::set<std::string> fields;
  if (request.is_object()) {
    for (const auto& [name, value] : request.items()) fields.insert(name);
  }
  if (fields != kRequestFields) {
    ThrowUserError(
        where,
        "must be the block \"request\" of a DPCache schedule, with exactly the fields {}",
        fmt::join(kRequestFields, ", "));
  }
  return request;
}

void CheckRequest(const ordered_json& request, const TraceHeader& run, const std::string& where) {
  const auto check = [&](const char* name, const ordered_json& planned) {
    if (request[name] == planned) return;
    ThrowUserError(where,
                   "must be of the plan's runs but {} is {} and was planned for {}",
                   name,
                   request[name].dump(),
                   planned.dump());
  };
  check("num_inference_steps", run.steps);
  check("dtype", run.dtype);
  if (run.height > 0) check("height", run.height);
  if (run.width > 0) check("width", run.width);
  if (run.guidance > 0) check("guidance_scale", run.guidance);
  const auto check_length = [&](const char* name, int length) {
    if (request[name].is_array() && std::ssize(request[name]) == length) return;
    ThrowUserError(where, "must have {} numbers in {}", length, name);
  };
  check_length("timesteps", run.steps);
  check_length("sigmas", run.steps + 1);
}

}  // namespace

std::string DpCacheSchedule(const SchedulePlan& plan,
                            const PlannedSchedule& schedule,
                            const std::string& request_text,
                            const std::string& where) {
  const auto refuse = [](const std::string& text) { ThrowUserError("dpcache", "{}", text); };
  if (schedule.forecast != 1) {
    refuse(
        fmt::format("takes plans for linear forecasts but this one is for order {} (--forecast 1)",
                    schedule.forecast));
  }
  if (plan.first < 2) {
    refuse("needs at least two calls computed at the start (--first 2, DPCache's own is 3)");
  }
  if (plan.recipe.calls != plan.recipe.steps) {
    refuse(fmt::format("takes schedules of one call a step but there are {} calls of {} steps",
                       plan.recipe.calls,
                       plan.recipe.steps));
  }
  if (plan.recipe.dtype != "bfloat16") {
    refuse("takes schedules of bfloat16 runs only but this plan is of " + plan.recipe.dtype);
  }
  if (plan.costs_sha256.empty()) refuse("needs a plan that names its costs");
  const ordered_json request = ReadRequest(request_text, where);
  CheckRequest(request, plan.recipe, where);
  std::vector<int> first;
  for (int call = 0; call < plan.first; ++call) first.push_back(call);
  std::vector<int> computed;
  for (int call = 0; call < std::ssize(schedule.computed); ++call) {
    if (schedule.computed[call]) computed.push_back(call);
  }
  ordered_json j;
  j["schema"] = "sglang-dpcache-schedule-v2";
  j["schedule_method"] = "exact-pair-state-dp";
  j["predictor"] = {{"name", "final-feature-linear-extrapolation"},
                    {"order", 1},
                    {"arithmetic", "feature-dtype-elementwise-v1"}};
  j["objective"] = "pact-mean-abs-final-feature-predicted-steps-only-v1";
  j["source_commit"] = std::string("teacache-toolkit-") + kVersion;
  j["request"] = request;
  j["mandatory_full_steps"] = first;
  j["force_last_full"] = plan.last > 0;
  j["max_gap"] = plan.longest + 1;
  j["num_full_steps"] = computed.size();
  j["full_steps"] = computed;
  j["calibrated_cost"] = schedule.cost;
  j["calibration"] = {{"manifest_sha256", plan.costs_sha256}, {"num_samples", plan.runs}};
  return j.dump(1) + "\n";
}

}  // namespace teacache
