// ComfyUI-TeaCache: an entry of SUPPORTED_MODELS_COEFFICIENTS in nodes.py; the model's name goes
// into the node's list of model types, too.

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  return {"comfyui.py",
          PythonAssignment(input, "comfyui", "SUPPORTED_MODELS_COEFFICIENTS[{}]"),
          "in nodes.py of ComfyUI-TeaCache; add the name to the list of model_type, too",
          {}};
}

}  // namespace

EmitFormat ComfyUiFormat() {
  return {"comfyui",
          "ComfyUI-TeaCache: Python line",
          "comfyui",
          EmitFormat::Needs::kCoefficients,
          Write};
}

}  // namespace teacache
