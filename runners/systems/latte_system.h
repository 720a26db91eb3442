#pragma once

#include <memory>

#include "runners/systems/system.h"

namespace teacache {

class PromptEncoder;  // runners/text/prompt_encoder.h

// Latte-1 (reference: videosys/pipelines/latte/pipeline_latte.py of ali-vilab/TeaCache) from its
// published folder: transformer, vae_temporal_decoder (or vae, which decodes picture by picture),
// text_encoder, tokenizer, and scheduler, whose betas the pipeline overrides. 50 steps of DDIM with
// guidance 7.5, 16 frames of 512 x 512 at 8 frames per second, float16. Throws UserError.
std::unique_ptr<System> LoadLatteSystem(const SystemOptions& options);
// Its text encoder alone.
std::unique_ptr<PromptEncoder> LoadLatteEncoder(const SystemOptions& options);

}  // namespace teacache
