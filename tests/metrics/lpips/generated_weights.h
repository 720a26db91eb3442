#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "datasets/tensors/safetensors.h"

namespace teacache {

// Random weights by the generator of tests/golden/metrics/README.md ("Weight generator"), exact in
// float32: `spec` has the seed and, per tensor, index, shape, scale and checksum, which is
// verified.
std::vector<TensorView> GenerateBackbone(const nlohmann::json& spec);

// The same for the shapes of AlexNet's features, with any seed.
std::vector<TensorView> RandomAlexBackbone();

// The real SqueezeNet features (lpips/squeeze.backbone.pth of the shared golden data).
std::vector<TensorView> SqueezeBackbone(const std::filesystem::path& file);

}  // namespace teacache
