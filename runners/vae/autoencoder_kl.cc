#include "runners/vae/autoencoder_kl.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include "datasets/base/error.h"
#include "runners/vae/config_checks.h"

namespace teacache {

AutoencoderKlConfig AutoencoderKlConfig::FromJson(const JsonFields& fields) {
  const std::string& where = fields.where();
  AutoencoderKlConfig config;
  if (fields.Has("block_out_channels")) {
    config.block_out_channels = fields.Integers("block_out_channels");
  }
  config.layers_per_block = fields.Integer("layers_per_block", config.layers_per_block);
  config.latent_channels = fields.Integer("latent_channels", config.latent_channels);
  config.out_channels = fields.Integer("out_channels", config.out_channels);
  config.norm_num_groups = fields.Integer("norm_num_groups", config.norm_num_groups);
  config.scaling_factor = fields.Number("scaling_factor", config.scaling_factor);
  config.use_post_quant_conv = fields.Bool("use_post_quant_conv", config.use_post_quant_conv);
  config.mid_block_add_attention =
      fields.Bool("mid_block_add_attention", config.mid_block_add_attention);
  CheckOnly(fields, "act_fn", "silu");
  if (fields.Has("up_block_types")) {
    for (const std::string& type : fields.Strings("up_block_types")) {
      if (type != "UpDecoderBlock2D") {
        ThrowUserError(
            where, "\"up_block_types\" must all be UpDecoderBlock2D but one is {}", type);
      }
    }
  }
  for (const char* field : {"shift_factor", "latents_mean", "latents_std"}) {
    if (fields.Has(field) && !fields.At(field).is_null()) {
      ThrowUserError(where, "\"{}\" must be null: it is not supported", field);
    }
  }
  config.Validate(where);
  return config;
}

void AutoencoderKlConfig::Validate(const std::string& where) const {
  CheckWidths(where, "block_out_channels", block_out_channels, norm_num_groups);
  CheckAtLeastOne(where,
                  {{"layers_per_block", layers_per_block},
                   {"latent_channels", latent_channels},
                   {"out_channels", out_channels}});
  CheckScale(where, scaling_factor);
}

AutoencoderKl::AutoencoderKl(ParameterSource* source,
                             const AutoencoderKlConfig& config,
                             const std::string& prefix)
    : config_(config) {
  const std::vector<int64_t>& widths = config.block_out_channels;
  const int64_t groups = config.norm_num_groups;
  const std::string decoder = prefix + "decoder.";
  const auto conv = [&](const std::string& name, int64_t in, int64_t out, int64_t kernel = 3) {
    return MakeConv2d(source, name, in, out, kernel, 1, Init::kFanIn);
  };
  const int64_t latent = config.latent_channels;
  if (config.use_post_quant_conv) {
    post_quant_conv_ = conv(prefix + "post_quant_conv", latent, latent, 1);
  }
  int64_t width = widths.back();
  conv_in_ = conv(decoder + "conv_in", latent, width);
  for (int i = 0; i < 2; ++i) {
    mid_resnets_.push_back(MakeResnet2d(
        source, fmt::format("{}mid_block.resnets.{}", decoder, i), width, width, groups));
  }
  if (config.mid_block_add_attention) {
    mid_attention_ =
        MakePictureAttention(source, decoder + "mid_block.attentions.0", width, groups);
  }
  for (size_t i = 0; i < widths.size(); ++i) {
    const std::string name = fmt::format("{}up_blocks.{}", decoder, i);
    const int64_t out = widths[widths.size() - 1 - i];
    UpBlock block;
    for (int64_t k = 0; k <= config.layers_per_block; ++k) {
      block.resnets.push_back(
          MakeResnet2d(source, fmt::format("{}.resnets.{}", name, k), width, out, groups));
      width = out;
    }
    if (i + 1 < widths.size()) block.upsample = conv(name + ".upsamplers.0.conv", out, out);
    up_blocks_.push_back(std::move(block));
  }
  norm_out_ = MakeGroupNorm(source, decoder + "conv_norm_out", width, groups);
  conv_out_ = conv(decoder + "conv_out", width, config.out_channels);
}

at::Tensor AutoencoderKl::DecodePictures(const at::Tensor& z) const {
  at::Tensor x = conv_in_(post_quant_conv_ ? (*post_quant_conv_)(z) : z);
  x = mid_resnets_[0](x);
  if (mid_attention_) x = (*mid_attention_)(x);
  x = mid_resnets_[1](x);
  for (const UpBlock& block : up_blocks_) {
    for (const Resnet<Conv2d>& resnet : block.resnets) x = resnet(x);
    if (block.upsample) x = (*block.upsample)(UpsampleNearest2x(x));
  }
  return conv_out_(at::silu(norm_out_(x)));
}

at::Tensor AutoencoderKl::Decode(const at::Tensor& latent, int64_t num_frames) const {
  CheckLatent(latent, config_.latent_channels);
  const at::Tensor z =
      VideoToPictures(latent.to(conv_in_.weight.scalar_type())) * (1 / config_.scaling_factor);
  std::vector<at::Tensor> frames;
  for (const at::Tensor& picture : z.split(1)) frames.push_back(DecodePictures(picture));
  return at::cat(frames).slice(0, 0, num_frames);
}

}  // namespace teacache
