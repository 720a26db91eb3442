#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "runners/nn/layers.h"
#include "runners/nn/parameters.h"

namespace teacache {

// The embedded model's video autoencoder, frame by frame, in two stages:
//   pixels [3, 64, 64] <-> latents [4, 8, 8] (convolutions) <-> code [16] (MLP)
// The second stage is what makes diffusion easy: 16 numbers that are nearly linear in the scene
// (position, size, shape, colours), learned, not given.
struct ShapesAutoencoderConfig {
  int64_t latent_channels = 4;
  std::array<int64_t, 3> widths = {32, 64, 96};  // convolution channels, pixels to latents
  int64_t code_size = 16;
  int64_t code_width = 384;
  int64_t code_encoder_blocks = 2;
  int64_t code_decoder_blocks = 3;

  int64_t LatentSize() const { return latent_channels * 64; }  // numbers of a frame's latent
};

// x + conv(silu(conv(silu(x)))).
struct ConvResidual {
  Conv2d conv1;
  Conv2d conv2;
  at::Tensor operator()(const at::Tensor& x) const;
};

// First stage; frames are [N, 3, 64, 64] float32 in [-1, 1], latents [N, 4, 8, 8].
class FrameAutoencoder {
 public:
  FrameAutoencoder(ParameterSource* source, const ShapesAutoencoderConfig& config);

  // Latents as the encoder gives them, not standardised.
  at::Tensor EncodeRaw(const at::Tensor& frames) const;
  // Standardised to zero mean and unit variance by the stored statistics.
  at::Tensor Encode(const at::Tensor& frames) const;
  at::Tensor Decode(const at::Tensor& latents) const;

 private:
  Conv2d in_, down_, bottleneck_;
  ConvResidual encode1_, encode2_;
  Conv2d up0_, up1_, up2_, up3_, out_;
  std::vector<ConvResidual> decode0_, decode1_, decode2_;
  at::Tensor mean_;  // [4]
  at::Tensor std_;
};

// Second stage; latents flattened to [N, 256], codes [N, 16].
class FrameCoder {
 public:
  FrameCoder(ParameterSource* source, const ShapesAutoencoderConfig& config);

  at::Tensor EncodeRaw(const at::Tensor& latents) const;
  at::Tensor Encode(const at::Tensor& latents) const;
  at::Tensor Decode(const at::Tensor& codes) const;

 private:
  struct Residual {
    Linear fc1, fc2;
    at::Tensor operator()(const at::Tensor& x) const;
  };
  Linear encode_in_, encode_out_, decode_in_, decode_out_;
  std::vector<Residual> encode_, decode_;
  at::Tensor mean_;  // [16]
  at::Tensor std_;
};

// Both stages. The transformer sees a frame's code as [4, 2, 2].
class ShapesAutoencoder {
 public:
  ShapesAutoencoder(ParameterSource* source, const ShapesAutoencoderConfig& config);

  at::Tensor EncodeFrames(const at::Tensor& frames) const;  // [N, 3, 64, 64] -> [N, 16]
  at::Tensor DecodeFrames(const at::Tensor& codes) const;   // [N, 16] -> [N, 3, 64, 64]
  // z [B, C, T, side, side] -> [B, T, 3, 64, 64] in about [-1, 1].
  at::Tensor DecodeVideo(const at::Tensor& z) const;

  const FrameAutoencoder& frames() const { return frames_; }
  const FrameCoder& coder() const { return coder_; }

 private:
  FrameAutoencoder frames_;
  FrameCoder coder_;
};

}  // namespace teacache
