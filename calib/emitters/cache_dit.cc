// cache-dit: DBCacheConfig as YAML for load_configs. The policy must be static: by default a step
// marked 0 is cached only if its residual changed little
// (src/cache_dit/caching/cache_contexts/cache_config.py).

#include <fmt/format.h>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  const std::vector<int> mask = MaskNumbers(input, "cache-dit");
  return {"cache-dit.yaml",
          fmt::format("cache_config:\n"
                      "  num_inference_steps: {}\n"
                      "  steps_computation_mask: [{}]\n"
                      "  steps_computation_policy: static\n",
                      mask.size(),
                      fmt::join(mask, ", ")),
          "cache_dit.enable_cache(pipe, **cache_dit.load_configs(\"cache-dit.yaml\"))",
          {}};
}

}  // namespace

EmitFormat CacheDitFormat() {
  return {"cache-dit",
          "cache-dit: steps_computation_mask YAML",
          "teacache",
          EmitFormat::Needs::kMask,
          Write};
}

}  // namespace teacache
