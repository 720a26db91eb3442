#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/base/json_fields.h"
#include "runners/nn/parameters.h"
#include "runners/vae/blocks.h"
#include "runners/vae/video_decoder.h"

namespace teacache {

// The decoder of diffusers' AutoencoderKL (src/diffusers/models/autoencoders/autoencoder_kl.py),
// picture by picture: Latte's other VAE, and the spatial half of Open-Sora's.
//
//   post_quant_conv, conv_in, mid block (resnet, attention, resnet), one up block per width
//   (layers_per_block + 1 resnets, then twice the size), norm, silu, conv_out
//
// Widths are taken from the last to the first; norms have eps 1e-6.

struct AutoencoderKlConfig {
  std::vector<int64_t> block_out_channels = {128, 256, 512, 512};
  int64_t layers_per_block = 2;
  int64_t latent_channels = 4;
  int64_t out_channels = 3;
  int64_t norm_num_groups = 32;
  double scaling_factor = 0.18215;
  bool use_post_quant_conv = true;
  bool mid_block_add_attention = true;

  // Of a config.json; fields that are not there keep the values above. Throws UserError for
  // what is wrong or not supported.
  static AutoencoderKlConfig FromJson(const JsonFields& fields);
  // Throws UserError.
  void Validate(const std::string& where) const;
  // Pixels per latent place along a side.
  int64_t ScaleFactor() const { return int64_t{1} << (block_out_channels.size() - 1); }
};

class AutoencoderKl : public VideoDecoder {
 public:
  // Tensors are named `prefix` + "decoder.conv_in.weight" ...
  AutoencoderKl(ParameterSource* source,
                const AutoencoderKlConfig& config,
                const std::string& prefix = "");

  // Divides by scaling_factor, then frame by frame, as the pipelines do.
  at::Tensor Decode(const at::Tensor& latent, int64_t num_frames) const override;
  FrameRounding rounding() const override { return FrameRounding::kTruncate; }

  // z [N, C, h, w], scaled back already -> [N, 3, H, W].
  at::Tensor DecodePictures(const at::Tensor& z) const;

  // Parts, for tests.
  const Resnet<Conv2d>& mid_resnet(size_t i) const { return mid_resnets_.at(i); }
  const PictureAttention& mid_attention() const { return mid_attention_.value(); }

 private:
  struct UpBlock {
    std::vector<Resnet<Conv2d>> resnets;
    std::optional<Conv2d> upsample;
  };

  AutoencoderKlConfig config_;
  std::optional<Conv2d> post_quant_conv_;
  Conv2d conv_in_;
  std::vector<Resnet<Conv2d>> mid_resnets_;
  std::optional<PictureAttention> mid_attention_;
  std::vector<UpBlock> up_blocks_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
};

}  // namespace teacache
