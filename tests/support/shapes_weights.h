#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>

#include <cstdint>
#include <string>

#include "runners/models/shapes_autoencoder.h"
#include "runners/models/shapes_transformer.h"
#include "runners/nn/parameters.h"
#include "runners/systems/shapes_weights.h"

namespace teacache {

inline ShapesTransformerConfig TinyShapesTransformer() {
  ShapesTransformerConfig config;
  config.depth = 1;
  config.hidden_size = 32;
  config.num_heads = 2;
  config.word_channels = 8;
  return config;
}

inline ShapesAutoencoderConfig TinyShapesAutoencoder() {
  ShapesAutoencoderConfig config;
  config.widths = {4, 8, 8};
  config.code_width = 16;
  config.code_encoder_blocks = 1;
  config.code_decoder_blocks = 1;
  return config;
}

// Parameters as a trainer starts with, except that what starts as zeros is random too: else the
// output of the model would not depend on its input.
inline TensorMap Awake(const TensorMap& fresh, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  TensorMap awake;
  for (const auto& [name, tensor] : fresh) {
    const bool zeros = tensor.abs().max().item<double>() == 0;
    awake[name] = zeros ? at::randn(tensor.sizes(), generator, at::kFloat) * 0.2 : tensor.clone();
  }
  return awake;
}

struct TinyShapesModel {
  TensorMap autoencoder;
  TensorMap transformer;
};
inline TinyShapesModel MakeTinyShapesModel(uint64_t seed) {
  RandomParameters autoencoder(seed);
  const ShapesAutoencoder first(&autoencoder, TinyShapesAutoencoder());
  RandomParameters transformer(seed + 1);
  const ShapesTransformer second(&transformer, TinyShapesTransformer());
  return {Awake(autoencoder.tensors(), seed + 2), Awake(transformer.tensors(), seed + 3)};
}

// A folder of weights as train-shapes writes it, of a small random model: programs run on it as on
// the shipped one, in milliseconds; its videos show nothing.
inline void WriteTinyShapesWeights(const std::string& folder, uint64_t seed = 1) {
  const TinyShapesModel model = MakeTinyShapesModel(seed);
  SaveShapesWeights(folder,
                    model.autoencoder,
                    TinyShapesAutoencoder(),
                    model.transformer,
                    TinyShapesTransformer(),
                    {{"model", "shapes"}, {"tool", "tests"}});
}

}  // namespace teacache
