#pragma once

#include <memory>

#include "runners/systems/system.h"

namespace teacache {

class PromptEncoder;  // runners/text/prompt_encoder.h

// Open-Sora 1.2 (reference: videosys/pipelines/open_sora/pipeline_open_sora.py of
// ali-vilab/TeaCache) from its published files: `options.weights` holds
//   OpenSora-STDiT-v3 (or transformer)   config.json, model.safetensors
//   OpenSora-VAE-v1.2 (or vae)           config.json, model.safetensors
//   t5-v1_1-xxl (or text_encoder)        the T5 encoder and spiece.model
// 30 steps of rectified flow with guidance 7, 51 frames of 480p 9:16 at 24 frames per second,
// bfloat16. Throws UserError.
std::unique_ptr<System> LoadOpenSoraSystem(const SystemOptions& options);
// Its text encoder alone.
std::unique_ptr<PromptEncoder> LoadOpenSoraEncoder(const SystemOptions& options);

}  // namespace teacache
