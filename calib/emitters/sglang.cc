// SGLang: what its own calibration tool writes, {"coefficients", "teacache_thresh"} or one of these
// for each of "high" and "low"; the values go into TeaCacheParams
// (sglang/multimodal_gen/configs/sample/teacache.py).

#include <nlohmann/json.hpp>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;

EmittedText Write(const EmitInput& input) {
  const auto block = [&](const CoefficientSet& set) {
    ordered_json b;
    b["coefficients"] = set.coefficients;
    b["teacache_thresh"] = ThresholdOf(input, set, "sglang");
    return b;
  };
  ordered_json j;
  std::string usage =
      "TeaCacheParams(coefficients=..., teacache_thresh=...) in the model's SamplingParams";
  if (input.coefficients.experts.empty()) {
    j = block(input.coefficients.set);
  } else {
    const auto [high, low] = HighAndLow(input, "sglang");
    j["high"] = block(*high);
    j["low"] = block(*low);
    usage =
        "TeaCacheParams(expert_coefficients={\"high\": ..., \"low\": ...}, expert_thresh=...) in "
        "the model's SamplingParams";
  }
  return {"sglang.json", j.dump(2) + "\n", usage, {}};
}

}  // namespace

EmitFormat SglangFormat() {
  return {"sglang",
          "SGLang: JSON, one set or high and low",
          "sglang",
          EmitFormat::Needs::kCoefficients,
          Write};
}

}  // namespace teacache
