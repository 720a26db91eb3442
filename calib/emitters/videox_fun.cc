// VideoX-Fun: enable_teacache(coefficients, num_steps, rel_l1_thresh, num_skip_start_steps) of its
// transformers; no last call is forced, and the conditional branch decides for both
// (videox_fun/models/cache_utils.py).

#include <fmt/format.h>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  RefuseExperts(input, "videox-fun");
  const CoefficientSet& set = input.coefficients.set;
  return {"videox-fun.py",
          fmt::format("coefficients = {}\n"
                      "transformer.enable_teacache(\n"
                      "    coefficients, {}, {}, num_skip_start_steps={}\n"
                      ")\n",
                      FormatCoefficients(set.coefficients),
                      input.coefficients.provenance.steps,
                      ThresholdOf(input, set, "videox-fun"),
                      input.rule.first_computed),
          "in the script that makes the pipeline",
          {}};
}

}  // namespace

EmitFormat VideoXFunFormat() {
  return {"videox-fun",
          "VideoX-Fun: Python call",
          "videox-fun",
          EmitFormat::Needs::kCoefficients,
          Write};
}

}  // namespace teacache
