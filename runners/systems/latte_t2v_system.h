#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runners/models/latte_t2v.h"
#include "runners/systems/checkpoint_system.h"

namespace teacache {

// The rule of prompts of `max_tokens` that get nothing put behind them; refuses options that say
// what. Throws UserError.
TextRule LatteTextRule(const SystemOptions& options, int max_tokens);

// What Latte and Open-Sora-Plan 1.1 share: LatteT2V as the transformer, the size of the latent, and
// guidance by the encoded negative prompt.
class LatteT2VSystem : public CheckpointSystem {
 protected:
  // `open_sora_plan`: which of the two the transformer must be of.
  LatteT2VSystem(const SystemOptions& options,
                 const PartFolders& folders,
                 const TextRule& text,
                 bool open_sora_plan);

  // Guidance, and the size of the video: what the options ask for, or the model's own square of
  // sample_size latent places; `factor` pixels are one place of the latent along a side. Call it
  // before MakeTransformer() can be. Throws UserError.
  void ChooseSize(int64_t factor);

  std::vector<int64_t> LatentShape() const final { return latent_shape_; }
  std::unique_ptr<TransformerPart> MakeTransformer(CheckpointParameters* source) const final;
  int64_t TextChannels() const final { return config_.caption_channels; }

  const LatteT2VConfig& config() const { return config_; }

 private:
  LatteT2VConfig config_;
  std::vector<int64_t> latent_shape_;
};

}  // namespace teacache
