#include "calib/rules/engine_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "datasets/base/error.h"

namespace teacache {
namespace {

std::vector<EngineRule> MakeRules() {
  using Sign = EngineRule::Sign;
  using Epsilon = EngineRule::Epsilon;
  std::vector<EngineRule> rules;
  const auto add = [&rules](std::string name, std::string description) {
    rules.emplace_back();
    rules.back().name = std::move(name);
    rules.back().description = std::move(description);
    return &rules.back();
  };
  add("teacache", "ali-vilab/TeaCache: raw f, first and last call computed");
  EngineRule* rule =
      add("teacache-ret", "TeaCache with use_ret_steps (Wan2.1): raw f, first 5 calls");
  rule->first_computed = 5;
  rule->last_computed = 0;
  rule = add("sglang", "SGLang: raw f, start_skipping 5, last call computed");
  rule->first_computed = 5;
  add("xdit", "xDiT: raw f, first and last call computed");
  rule = add("comfyui",
             "ComfyUI-TeaCache, all models but FLUX: raw f, first call computed, both branches if "
             "either needs it");
  rule->last_computed = 0;
  rule->branches = EngineRule::Branches::kEither;
  rule = add("comfyui-flux", "ComfyUI-TeaCache for FLUX: |f|, first call computed");
  rule->sign = Sign::kAbsolute;
  rule->last_computed = 0;
  rule = add("vllm-omni", "vLLM-Omni: |f|, first call computed, 1e-8 added to mean|previous|");
  rule->sign = Sign::kAbsolute;
  rule->last_computed = 0;
  rule->epsilon_kind = Epsilon::kAdd;
  rule->epsilon = 1e-8;
  rule = add("tensorrt-llm", "TensorRT-LLM: |f|, sum capped at 2 thresholds, first and last call");
  rule->sign = Sign::kAbsolute;
  rule->cap = 2;
  rule->epsilon_kind = Epsilon::kAdd;
  rule->epsilon = 1e-8;
  rule = add("tensorrt-llm-ret", "TensorRT-LLM with use_ret_steps: first 5 calls, no cut-off");
  rule->sign = Sign::kAbsolute;
  rule->cap = 2;
  rule->epsilon_kind = Epsilon::kAdd;
  rule->epsilon = 1e-8;
  rule->first_computed = 5;
  rule->last_computed = 0;
  rule = add("videox-fun",
             "VideoX-Fun: raw f, num_skip_start_steps 5, the conditional branch decides for both");
  rule->first_computed = 5;
  rule->last_computed = 0;
  rule->branches = EngineRule::Branches::kCond;
  rule = add("wan2gp", "Wan2GP: |f|, first and last call computed");
  rule->sign = Sign::kAbsolute;
  rule = add("difflet", "Difflet: |f|, 5 calls of warm-up and of cool-down");
  rule->sign = Sign::kAbsolute;
  rule->first_computed = 5;
  rule->last_computed = 5;
  rule->epsilon_kind = Epsilon::kFloor;
  rule->epsilon = 1e-8;
  rule = add("mlx-teacache",
             "mlx-teacache: max(0, f), range guard, at most 8 skips in a row, first and last call");
  rule->sign = Sign::kClamp;
  rule->epsilon_kind = Epsilon::kFloor;
  rule->epsilon = 1e-12;
  rule->keeps_sum_when_forced = true;
  rule->seeds_cache = true;
  rule->max_consecutive_skips = 8;
  rule->guards_range = true;
  return rules;
}

}  // namespace

const std::vector<EngineRule>& EngineRules() {
  static const std::vector<EngineRule> rules = MakeRules();
  return rules;
}

const EngineRule& FindEngineRule(const std::string& name) {
  std::vector<std::string> names;
  for (const EngineRule& rule : EngineRules()) {
    if (rule.name == name) return rule;
    names.push_back(rule.name);
  }
  ThrowUserError("engine", "must be one of {} but is \"{}\"", fmt::join(names, ", "), name);
}

bool IsForcedCall(const EngineRule& rule, int call, int calls) {
  return call < std::max(1, rule.first_computed) || call >= calls - rule.last_computed;
}

std::vector<bool> ForcedCalls(const EngineRule& rule, int calls) {
  std::vector<bool> forced(calls, false);
  for (int call = 0; call < calls; ++call) forced[call] = IsForcedCall(rule, call, calls);
  return forced;
}

}  // namespace teacache
