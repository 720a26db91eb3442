#pragma once

#include <memory>

#include "runners/systems/system.h"

namespace teacache {

class PromptEncoder;  // runners/text/prompt_encoder.h

// Open-Sora-Plan 1.1 (reference: videosys/pipelines/open_sora_plan/pipeline_open_sora_plan.py of
// ali-vilab/TeaCache, version v110) from its published files: `options.weights` holds 65x512x512
// (or transformer), vae, and t5-v1_1-xxl (or text_encoder and tokenizer). 150 steps of PNDM, which
// are 159 calls, with guidance 7.5, 65 frames of 512 x 512 at 24 frames per second, float16; the
// decoder works in tiles. Throws UserError.
std::unique_ptr<System> LoadOpenSoraPlanSystem(const SystemOptions& options);
// Its text encoder alone.
std::unique_ptr<PromptEncoder> LoadOpenSoraPlanEncoder(const SystemOptions& options);

}  // namespace teacache
