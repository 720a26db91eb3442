#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runners/nn/parameters.h"

namespace teacache {

// Data-parallel training of one stage of a model. Replicas are threads that share the parameters'
// storage; each computes the gradients of its own micro-batch on one core, and their mean, taken in
// a fixed order, moves the parameters by AdamW. All randomness is derived from (seed, step,
// replica), so that a resumed run continues exactly as an uninterrupted one.

struct TrainingOptions {
  std::string stage;            // names the stage in checkpoints and logs
  int64_t steps = 1000;         // optimizer steps
  int replicas = 2;             // threads, one micro-batch each
  double learning_rate = 1e-3;  // AdamW
  double beta1 = 0.9;
  double beta2 = 0.99;
  int64_t warmup_steps = 100;  // linear from 0
  double decay_share = 0.4;    // last part of the steps, linear down to final_share
  double final_share = 0.02;   // of the learning rate, at the end
  double clip_norm = 1.0;      // of the gradient
  double ema = 0.999;          // decay of the averaged parameters; smaller during the first steps
  bool bf16 = false;           // autocast; pays only where the processor has bfloat16 matrix units
  at::Device device = at::kCPU;
  int64_t log_every = 100;  // steps
  int64_t checkpoint_every = 1000;
  std::string checkpoint_path;  // safetensors file, read at the start when it exists; "" = none
  std::string settings;         // digest of everything that shapes the result; a checkpoint made
                                // with other settings is refused

  // Share of the learning rate at `step` (0-based).
  double RateAt(int64_t step) const;
};

struct TrainingProgress {
  int64_t step = 0;        // finished steps
  int64_t first_step = 0;  // where this process began (resumed training)
  double loss = 0;         // mean since the last report
  double seconds = 0;      // of this process, in this stage
  double rate = 0;         // learning rate
  const TensorMap* ema = nullptr;
};

// Mean loss of the micro-batch of (step, replica), as a differentiable scalar.
using LossFunction =
    std::function<at::Tensor(const TensorMap& parameters, int64_t step, int replica)>;
// Called every log_every steps; throwing from it ends the training after a checkpoint.
using TrainingObserver = std::function<void(const TrainingProgress& progress)>;

struct TrainedParameters {
  TensorMap parameters;
  TensorMap ema;
  double last_loss = 0;
  int64_t steps = 0;  // done in all
};

// Trains the tensors of `parameters` for which `trainable` is true; the others are passed to `loss`
// as they are. Stops early (after a checkpoint) when `stop` returns true.
TrainedParameters Train(const TensorMap& parameters,
                        const std::function<bool(const std::string&)>& trainable,
                        const LossFunction& loss,
                        const TrainingOptions& options,
                        const TrainingObserver& observer = {},
                        const std::function<bool()>& stop = {});

// A seed for one micro-batch (or any other purpose), well mixed.
uint64_t MixSeed(uint64_t seed, uint64_t stage, uint64_t step, uint64_t replica);

}  // namespace teacache
