#include "runners/vae/temporal_decoder.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include "runners/vae/config_checks.h"

namespace teacache {
namespace {

constexpr int64_t kGroups = 32;
constexpr double kTemporalEps = 1e-5;

// As the others, but the norms of each of the two branches count over their own dimensions.
Resnet<Conv3d> MakeTemporalResnet(ParameterSource* source,
                                  const std::string& name,
                                  int64_t channels) {
  const auto norm = [&](const std::string& part) {
    return MakeGroupNorm(source, name + part, channels, kGroups, kTemporalEps);
  };
  const auto conv = [&](const std::string& part) {
    return MakeConv3d(source, name + part, channels, channels, {3, 1, 1}, TimePadding::kZeros);
  };
  return {norm(".norm1"), conv(".conv1"), norm(".norm2"), conv(".conv2"), std::nullopt};
}

}  // namespace

TemporalDecoderConfig TemporalDecoderConfig::FromJson(const JsonFields& fields) {
  const std::string& where = fields.where();
  TemporalDecoderConfig config;
  if (fields.Has("block_out_channels")) {
    config.block_out_channels = fields.Integers("block_out_channels");
  }
  config.layers_per_block = fields.Integer("layers_per_block", config.layers_per_block);
  config.latent_channels = fields.Integer("latent_channels", config.latent_channels);
  config.out_channels = fields.Integer("out_channels", config.out_channels);
  config.scaling_factor = fields.Number("scaling_factor", config.scaling_factor);
  config.Validate(where);
  return config;
}

void TemporalDecoderConfig::Validate(const std::string& where) const {
  CheckWidths(where, "block_out_channels", block_out_channels, kGroups);
  CheckAtLeastOne(where,
                  {{"layers_per_block", layers_per_block},
                   {"latent_channels", latent_channels},
                   {"out_channels", out_channels}});
  CheckScale(where, scaling_factor);
}

at::Tensor TemporalDecoder::Block::operator()(const at::Tensor& x) const {
  const at::Tensor s = PicturesToVideo(spatial(x), x.size(0));
  const at::Tensor weight = 1 - mix_factor.sigmoid();
  return VideoToPictures(weight * s + (1 - weight) * temporal(s));
}

TemporalDecoder::Block TemporalDecoder::MakeBlock(ParameterSource* source,
                                                  const std::string& name,
                                                  int64_t in,
                                                  int64_t out) {
  return {MakeResnet2d(source, name + ".spatial_res_block", in, out, kGroups),
          MakeTemporalResnet(source, name + ".temporal_res_block", out),
          source->Get(name + ".time_mixer.mix_factor", {1}, Init::kZeros)};
}

TemporalDecoder::TemporalDecoder(ParameterSource* source, const TemporalDecoderConfig& config)
    : config_(config) {
  const std::vector<int64_t>& widths = config.block_out_channels;
  const auto conv = [&](const std::string& name, int64_t in, int64_t out) {
    return MakeConv2d(source, name, in, out, 3, 1, Init::kFanIn);
  };
  int64_t width = widths.back();
  conv_in_ = conv("decoder.conv_in", config.latent_channels, width);
  for (int64_t i = 0; i < config.layers_per_block; ++i) {
    mid_blocks_.push_back(
        MakeBlock(source, fmt::format("decoder.mid_block.resnets.{}", i), width, width));
  }
  mid_attention_ = MakePictureAttention(source, "decoder.mid_block.attentions.0", width, kGroups);
  for (size_t i = 0; i < widths.size(); ++i) {
    const std::string name = fmt::format("decoder.up_blocks.{}", i);
    const int64_t out = widths[widths.size() - 1 - i];
    UpBlock block;
    for (int64_t k = 0; k <= config.layers_per_block; ++k) {
      block.blocks.push_back(MakeBlock(source, fmt::format("{}.resnets.{}", name, k), width, out));
      width = out;
    }
    if (i + 1 < widths.size()) block.upsample = conv(name + ".upsamplers.0.conv", out, out);
    up_blocks_.push_back(std::move(block));
  }
  norm_out_ = MakeGroupNorm(source, "decoder.conv_norm_out", width, kGroups);
  conv_out_ = conv("decoder.conv_out", width, config.out_channels);
  time_conv_out_ = MakeConv3d(source,
                              "decoder.time_conv_out",
                              config.out_channels,
                              config.out_channels,
                              {3, 1, 1},
                              TimePadding::kZeros);
}

at::Tensor TemporalDecoder::DecodeToMid(const at::Tensor& z) const {
  at::Tensor x = mid_blocks_[0](conv_in_(z));
  if (mid_blocks_.size() > 1) x = mid_blocks_[1](mid_attention_(x));
  return x;
}

at::Tensor TemporalDecoder::DecodeChunk(const at::Tensor& z) const {
  at::Tensor x = DecodeToMid(z);
  for (const UpBlock& up : up_blocks_) {
    for (const Block& block : up.blocks) x = block(x);
    if (up.upsample) x = (*up.upsample)(UpsampleNearest2x(x));
  }
  x = conv_out_(at::silu(norm_out_(x)));
  return VideoToPictures(time_conv_out_(PicturesToVideo(x, x.size(0))));
}

at::Tensor TemporalDecoder::Decode(const at::Tensor& latent, int64_t num_frames) const {
  CheckLatent(latent, config_.latent_channels);
  const at::Tensor z =
      VideoToPictures(latent.to(conv_in_.weight.scalar_type())) * (1 / config_.scaling_factor);
  std::vector<at::Tensor> frames;
  for (const at::Tensor& chunk : z.split(kChunkFrames)) frames.push_back(DecodeChunk(chunk));
  return at::cat(frames).slice(0, 0, num_frames);
}

}  // namespace teacache
