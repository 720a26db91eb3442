// SmoothCache: {component: [1 or 0 per step]}; 1 computes, 0 reuses
// (SmoothCache/smooth_cache_helper.py).

#include <nlohmann/json.hpp>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  const std::vector<int> mask = MaskNumbers(input, "smoothcache");
  const nlohmann::ordered_json j = {{"attn1", mask}, {"attn2", mask}, {"mlp", mask}};
  return {"smoothcache.json",
          j.dump() + "\n",
          "SmoothCache schedule: 1 computes, 0 reuses; name the components as the model does",
          {"One schedule for all components: it was made from whole transformer calls."}};
}

}  // namespace

EmitFormat SmoothCacheFormat() {
  return {"smoothcache", "SmoothCache: schedule JSON", "teacache", EmitFormat::Needs::kMask, Write};
}

}  // namespace teacache
