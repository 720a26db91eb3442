#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/shapes/shapes_scene.h"
#include "datasets/video/video.h"
#include "runners/models/shapes_autoencoder.h"
#include "runners/models/shapes_transformer.h"

namespace teacache {

struct ShapesSampleOptions {
  int steps = 30;         // uniform rectified-flow steps
  double guidance = 2.0;  // classifier-free guidance scale
  uint64_t seed = 4;
};

// Videos of many prompts in one batch, uncached: the trainer's look at its own work. Programs that
// generate use the sampler of sampler.h.
std::vector<Video> SampleShapesVideos(const ShapesTransformer& transformer,
                                      const ShapesAutoencoder& autoencoder,
                                      const std::vector<ShapesPrompt>& prompts,
                                      const ShapesSampleOptions& options);

// "all 0.83 | size 1.00 color ..." in one line.
std::string Describe(const ShapesAdherence& adherence);

}  // namespace teacache
