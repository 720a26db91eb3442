// DiffSynth-Studio: an entry of coefficients_dict of the class TeaCache in wan_video.py; x is of
// the 6-way time embedding t_mod there.

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  return {"diffsynth.py",
          PythonAssignment(input, "diffsynth", "self.coefficients_dict[{}]"),
          "in the class TeaCache of diffsynth/pipelines/wan_video.py; then "
          "pipe(tea_cache_l1_thresh=..., tea_cache_model_id=...)",
          {}};
}

}  // namespace

EmitFormat DiffSynthFormat() {
  return {"diffsynth",
          "DiffSynth-Studio: Python line",
          "teacache",
          EmitFormat::Needs::kCoefficients,
          Write};
}

}  // namespace teacache
