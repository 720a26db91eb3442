// MagCache in diffusers: MagCacheConfig(mag_ratios=..., num_inference_steps=...); one list per
// model, the first ratio 1 (src/diffusers/hooks/mag_cache.py).

#include <nlohmann/json.hpp>

#include "calib/emitters/emitter.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

EmittedText Write(const EmitInput& input) {
  if (input.magnitude_ratios.empty()) {
    ThrowUserError("magcache", "needs residual sums of a trace but has none");
  }
  // The branches' mean; the lists of the branches beside it.
  std::vector<double> mean;
  for (const auto& [branch, ratios] : input.magnitude_ratios) {
    mean.resize(ratios.size());
    for (size_t i = 0; i < ratios.size(); ++i) {
      mean[i] += ratios[i] / static_cast<double>(input.magnitude_ratios.size());
    }
  }
  nlohmann::ordered_json j;
  j["num_inference_steps"] = mean.size();
  j["mag_ratios"] = mean;
  if (input.magnitude_ratios.size() > 1) {
    for (const auto& [branch, ratios] : input.magnitude_ratios) {
      j["mag_ratios_by_branch"][branch] = ratios;
    }
  }
  return {"magcache.json",
          j.dump(2) + "\n",
          "diffusers: MagCacheConfig(mag_ratios=..., num_inference_steps=..., threshold=0.06, "
          "max_skip_steps=3, retention_ratio=0.2)",
          {"Ratios of L1 sums over whole tensors; MagCache's own calibration averages L2 norms per "
           "token."}};
}

}  // namespace

EmitFormat MagCacheFormat() {
  return {"magcache",
          "diffusers MagCacheConfig: mag_ratios",
          "teacache",
          EmitFormat::Needs::kMagnitudeRatios,
          Write};
}

}  // namespace teacache
