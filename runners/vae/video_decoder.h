#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "runners/nn/parameters.h"
#include "runners/vae/frames.h"

namespace teacache {

// The decoding half of a video autoencoder.
class VideoDecoder {
 public:
  virtual ~VideoDecoder() = default;

  // latent [1, C, T, h, w] as the sampler leaves it (any floating dtype, on the decoder's device)
  // -> frames [num_frames, 3, H, W], about [-1, 1], in the decoder's dtype. `num_frames` are those
  // of the video that was asked for: some decoders make more and drop the rest.
  virtual at::Tensor Decode(const at::Tensor& latent, int64_t num_frames) const = 0;

  // How its reference turns frames into bytes.
  virtual FrameRounding rounding() const = 0;
};

// For the checkpoint of an autoencoder, before a decoder is built from it: its encoder ("encoder",
// "quant_conv", the training's "loss") is not needed, and attention's names of older diffusers
// (query, key, value, proj_attn) become the newer ones.
void PrepareDecoderParameters(CheckpointParameters* source);

}  // namespace teacache
