#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/base/json_fields.h"
#include "runners/nn/parameters.h"
#include "runners/vae/blocks.h"
#include "runners/vae/video_decoder.h"

namespace teacache {

// The decoder of Stable Video Diffusion's autoencoder (diffusers' AutoencoderKLTemporalDecoder,
// with unet_3d_blocks.py and resnet.py), as Latte uses it: 14 frames at a time, the last chunk
// shorter. It is AutoencoderKl's decoder with a temporal branch in every block:
//
//   s = resnet2d(x)                                     per frame, eps 1e-6
//   out = a s + (1 - a) (s + temporal(s)),  a = 1 - sigmoid(mix_factor)
//   temporal: norm, silu, conv (3, 1, 1), twice, eps 1e-5
//
// The mid block runs resnet 0, attention, resnet 1; with layers_per_block 1 the attention never
// runs, and resnets from the third on never run either. There is no post_quant_conv.

struct TemporalDecoderConfig {
  std::vector<int64_t> block_out_channels = {128, 256, 512, 512};
  int64_t layers_per_block = 2;
  int64_t latent_channels = 4;
  int64_t out_channels = 3;
  double scaling_factor = 0.18215;

  // As AutoencoderKlConfig::FromJson.
  static TemporalDecoderConfig FromJson(const JsonFields& fields);
  void Validate(const std::string& where) const;
  // Pixels per latent place along a side.
  int64_t ScaleFactor() const { return int64_t{1} << (block_out_channels.size() - 1); }
};

class TemporalDecoder : public VideoDecoder {
 public:
  static constexpr int64_t kChunkFrames = 14;

  TemporalDecoder(ParameterSource* source, const TemporalDecoderConfig& config);

  at::Tensor Decode(const at::Tensor& latent, int64_t num_frames) const override;
  FrameRounding rounding() const override { return FrameRounding::kTruncate; }

  // One chunk: z [N, C, h, w] of N successive frames, scaled back already -> [N, 3, H, W].
  at::Tensor DecodeChunk(const at::Tensor& z) const;
  // The first half of DecodeChunk, after the mid block (for tests): [N, C, h, w].
  at::Tensor DecodeToMid(const at::Tensor& z) const;

 private:
  struct Block {
    Resnet<Conv2d> spatial;
    Resnet<Conv3d> temporal;
    at::Tensor mix_factor;  // [1]

    at::Tensor operator()(const at::Tensor& x) const;  // [N, C, h, w]
  };
  struct UpBlock {
    std::vector<Block> blocks;
    std::optional<Conv2d> upsample;
  };
  static Block MakeBlock(ParameterSource* source, const std::string& name, int64_t in, int64_t out);

  TemporalDecoderConfig config_;
  Conv2d conv_in_;
  std::vector<Block> mid_blocks_;
  PictureAttention mid_attention_;
  std::vector<UpBlock> up_blocks_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
  Conv3d time_conv_out_;
};

}  // namespace teacache
