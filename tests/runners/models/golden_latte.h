#pragma once

#include <ATen/Parallel.h>

#include "runners/models/latte_t2v.h"
#include "tests/runners/models/golden_model.h"

namespace teacache {

// The transformer of a golden case of Latte or Open-Sora-Plan.
inline LatteT2V LoadLatteT2V(const GoldenTensors& tensors,
                             const GoldenCase& golden,
                             at::ScalarType dtype = at::kFloat,
                             at::Device device = at::kCPU) {
  at::set_num_threads(1);  // more only get in each other's way in models this small
  const LatteT2VConfig config =
      ParseLatteT2VConfig(golden.json.at("config"), golden.name + ".json");
  CheckpointParameters source(tensors.Weights(), golden.name, dtype, device);
  for (const std::string& key : config.IgnoredKeys()) source.Ignore(key);
  LatteT2V model(&source, config);
  source.Finish();
  return model;
}

}  // namespace teacache
