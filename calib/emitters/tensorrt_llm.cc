// TensorRT-LLM: cache_config of VisualGenArgs as YAML; coefficients_2 is the low-noise expert's.
// use_ret_steps computes the first 5 calls and no last one, otherwise the first and the last
// (tensorrt_llm/_torch/visual_gen/cache/teacache.py).

#include <fmt/format.h>

#include <tuple>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  const CoefficientSet* high = &input.coefficients.set;
  const CoefficientSet* low = nullptr;
  if (!input.coefficients.experts.empty()) {
    std::tie(high, low) = HighAndLow(input, "tensorrt-llm");
  }
  const double threshold = ThresholdOf(input, *high, "tensorrt-llm");
  const bool ret_steps = input.rule.first_computed >= 5;
  EmittedText written;
  written.name = ret_steps ? "tensorrt-llm-ret.yaml" : "tensorrt-llm.yaml";
  written.usage = "VisualGenArgs.from_yaml(...)";
  written.text = fmt::format(
      "cache_config:\n"
      "  cache_backend: teacache\n"
      "  teacache_thresh: {}\n"
      "  use_ret_steps: {}\n"
      "  coefficients: {}\n",
      YamlNumber(threshold),
      ret_steps ? "true" : "false",
      YamlList(high->coefficients));
  if (low != nullptr) {
    written.text += fmt::format("  coefficients_2: {}\n", YamlList(low->coefficients));
    if (ThresholdOf(input, *low, "tensorrt-llm") != threshold) {
      written.notes.push_back(
          "TensorRT-LLM has one threshold for both experts: the high-noise expert's was written.");
    }
  }
  return written;
}

}  // namespace

EmitFormat TensorRtLlmFormat() {
  return {"tensorrt-llm",
          "TensorRT-LLM: YAML, coefficients_2 for the low-noise expert",
          "tensorrt-llm",
          EmitFormat::Needs::kCoefficients,
          Write};
}

EmitFormat TensorRtLlmRetFormat() {
  return {"tensorrt-llm-ret",
          "TensorRT-LLM with use_ret_steps",
          "tensorrt-llm-ret",
          EmitFormat::Needs::kCoefficients,
          Write};
}

}  // namespace teacache
