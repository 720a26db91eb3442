// vLLM-Omni: cache_config of the backend "tea_cache"; TeaCacheConfig takes exactly 5 coefficients
// and a positive threshold (vllm_omni/diffusion/cache/teacache/config.py).

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  RefuseExperts(input, "vllm-omni");
  const CoefficientSet& set = input.coefficients.set;
  nlohmann::ordered_json j;
  j["rel_l1_thresh"] = ThresholdOf(input, set, "vllm-omni");
  j["coefficients"] = Five(set, "vllm-omni");
  return {"vllm-omni.json",
          j.dump(2) + "\n",
          fmt::format("vllm serve MODEL --omni --cache-backend tea_cache --cache-config '{}'",
                      j.dump()),
          {}};
}

}  // namespace

EmitFormat VllmOmniFormat() {
  return {"vllm-omni",
          "vLLM-Omni: cache_config JSON and the command line",
          "vllm-omni",
          EmitFormat::Needs::kCoefficients,
          Write};
}

}  // namespace teacache
