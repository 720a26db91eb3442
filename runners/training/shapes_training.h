#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "datasets/video/video.h"
#include "runners/models/shapes_autoencoder.h"
#include "runners/models/shapes_transformer.h"
#include "runners/training/training_loop.h"

namespace teacache {

// The trainer of the embedded model, stage by stage:
//   1 frame          frame autoencoder, encoder and decoder together
//   2 frame-decoder  its encoder frozen, latents standardised, the decoder goes on
//   3 code           latents of a pool of videos <-> 16 numbers, aligned with the scene's factors
//   4 decoder        both decoders together, in pixels
//   5 transformer    rectified flow on the pool's codes
// Every stage leaves a checkpoint in the work folder; running again continues where it stopped.
struct ShapesTrainingOptions {
  uint64_t seed = 1;
  int replicas = 2;   // threads, each with its own micro-batch
  bool bf16 = false;  // autocast, see TrainingOptions
  at::Device device = at::kCPU;
  std::string work_folder;  // checkpoints, sample sheets, training.jsonl

  int64_t frame_steps = 1200;    // stage 1
  int64_t decoder_steps = 1400;  // stage 2
  int64_t pool_videos = 32768;   // stages 3 and 5; 16 frames each
  int64_t code_steps = 4500;     // stage 3
  int64_t refine_steps = 2500;   // stage 4
  int64_t transformer_steps = 4200;

  int64_t frame_batch = 32;        // frames per replica, stages 1, 2 and 4
  int64_t code_batch = 1024;       // frames per replica, stage 3
  int64_t transformer_batch = 32;  // videos per replica, stage 5
  double transformer_rate = 1e-3;  // learning rate of stage 5
  double transformer_decay = 0.4;  // its decay share
  double null_share = 0.1;         // videos trained without their words, for guidance
  double code_alignment = 3.0;     // weight of the scene read-out in stage 3
  double code_smoothness = 0.15;   // weight of the codes' squared second difference in time
  double code_noise = 0.02;        // largest sigma of the noise on codes, stage 3

  ShapesAutoencoderConfig autoencoder;
  ShapesTransformerConfig transformer;

  // Throws UserError.
  void Validate() const;
};

// What the trainer shows while it runs.
struct ShapesTrainingReport {
  std::string stage;
  int64_t step = 0;
  int64_t steps = 0;
  int64_t first_step = 0;  // where this process began
  double loss = 0;
  double seconds = 0;  // of this process
  double rate = 0;
};
struct ShapesTrainingHooks {
  std::function<void(const ShapesTrainingReport&)> report;
  // Models so far, every `sample_every` transformer steps and at the end.
  std::function<void(int64_t step, const ShapesTransformer&, const ShapesAutoencoder&)> sample;
  int64_t sample_every = 1000;
  std::function<bool()> stop;  // true ends the training after a checkpoint
};

struct ShapesWeights {
  TensorMap autoencoder;  // both stages, keys frame.* and code.*
  TensorMap transformer;  // averaged parameters
  double transformer_loss = 0;
  int64_t transformer_steps = 4200;  // done; 0 = the last stage was not reached
  bool finished = false;             // false: stopped early
};

ShapesWeights TrainShapes(const ShapesTrainingOptions& options, const ShapesTrainingHooks& hooks);

}  // namespace teacache
