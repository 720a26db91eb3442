#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "runners/models/shapes_autoencoder.h"
#include "runners/models/shapes_transformer.h"

namespace teacache {

// The weight files of the embedded model, in one folder:
//   autoencoder.safetensors, transformer.safetensors   float16 tensors, checkpoint key names;
//       metadata: architecture, seed, steps, data, losses, tool version
//   SHA256SUMS   their digests, checked before anything is loaded
struct ShapesModel {
  ShapesAutoencoder autoencoder;
  ShapesTransformer transformer;
  std::map<std::string, std::string> metadata;  // of transformer.safetensors
  std::string transformer_digest;               // sha256 of that file
  std::string autoencoder_digest;               // of autoencoder.safetensors
  int64_t transformer_parameters = 0;
};

// Throws UserError when a file is missing, damaged, or does not fit its architecture.
ShapesModel LoadShapesModel(const std::string& folder,
                            at::ScalarType dtype = at::kFloat,
                            at::Device device = at::kCPU);

// Where the shipped weights lie: beside the installed programs (../share/teacache/shapes).
std::string DefaultShapesWeightsFolder();

// Writes the three files. `metadata` is added to both.
void SaveShapesWeights(const std::string& folder,
                       const TensorMap& autoencoder,
                       const ShapesAutoencoderConfig& autoencoder_config,
                       const TensorMap& transformer,
                       const ShapesTransformerConfig& transformer_config,
                       const std::map<std::string, std::string>& metadata);

}  // namespace teacache
