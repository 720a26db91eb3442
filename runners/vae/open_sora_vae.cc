#include "runners/vae/open_sora_vae.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "datasets/base/error.h"
#include "runners/vae/config_checks.h"

namespace teacache {
namespace {

constexpr double kTemporalEps = 1e-5;
constexpr double kSpatialScale = 0.18215;  // not SDXL's, whose decoder it is
constexpr const char* kSpatialPrefix = "spatial_vae.module.";
constexpr const char* kTemporalPrefix = "temporal_vae.";

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Every convolution has its own module around it, hence ".conv".
Conv3d MakeCausalConv(ParameterSource* source,
                      const std::string& name,
                      int64_t in,
                      int64_t out,
                      int64_t kernel,
                      bool with_bias) {
  return MakeConv3d(source,
                    name + ".conv",
                    in,
                    out,
                    {kernel, kernel, kernel},
                    TimePadding::kCausalZeros,
                    with_bias);
}

Resnet<Conv3d> MakeCausalResnet(
    ParameterSource* source, const std::string& name, int64_t in, int64_t out, int64_t groups) {
  const auto conv = [&](const std::string& part, int64_t from, int64_t kernel) {
    return MakeCausalConv(source, name + part, from, out, kernel, /*with_bias=*/false);
  };
  Resnet<Conv3d> block{MakeGroupNorm(source, name + ".norm1", in, groups, kTemporalEps),
                       conv(".conv1", in, 3),
                       MakeGroupNorm(source, name + ".norm2", out, groups, kTemporalEps),
                       conv(".conv2", out, 3),
                       std::nullopt};
  if (in != out) block.shortcut = conv(".conv3", in, 1);
  return block;
}

// [B, 2 C, T, h, w] -> [B, C, 2 T, h, w]: neighbouring channels become neighbouring frames.
at::Tensor ChannelsToTime(const at::Tensor& x) {
  return x.unflatten(1, {-1, 2}).permute({0, 1, 3, 2, 4, 5}).flatten(2, 3);
}

// "vae_temporal" of the config: what is not there keeps its default.
OpenSoraTemporalConfig TemporalFromJson(const JsonFields& fields) {
  CheckOnly(fields, "type", "VAE_Temporal_SD");
  OpenSoraTemporalConfig config;
  config.in_out_channels = fields.Integer("in_out_channels", config.in_out_channels);
  config.latent_embed_dim = fields.Integer("latent_embed_dim", config.latent_embed_dim);
  config.embed_dim = fields.Integer("embed_dim", config.embed_dim);
  config.filters = fields.Integer("filters", config.filters);
  config.num_res_blocks = fields.Integer("num_res_blocks", config.num_res_blocks);
  config.num_groups = fields.Integer("num_groups", config.num_groups);
  if (fields.Has("channel_multipliers")) {
    config.channel_multipliers = fields.Integers("channel_multipliers");
  }
  if (fields.Has("temporal_downsample")) {
    config.temporal_downsample = fields.Bools("temporal_downsample");
  }
  return config;
}

}  // namespace

int64_t OpenSoraTemporalConfig::TimeFactor() const {
  return int64_t{1} << std::count(temporal_downsample.begin(), temporal_downsample.end(), true);
}

OpenSoraVaeConfig OpenSoraVaeConfig::FromJson(const JsonFields& fields) {
  const std::string& where = fields.where();
  CheckOnly(fields, "model_type", "VideoAutoencoderPipeline");
  OpenSoraVaeConfig config;
  config.micro_frame_size = fields.Integer("micro_frame_size", config.micro_frame_size);
  if (fields.Has("vae_2d")) {
    const JsonFields spatial(fields.At("vae_2d"), where + ": vae_2d");
    config.spatial = AutoencoderKlConfig::FromJson(spatial);
    config.micro_batch_size = spatial.Integer("micro_batch_size", config.micro_batch_size);
  }
  if (fields.Has("vae_temporal")) {
    const JsonFields temporal(fields.At("vae_temporal"), where + ": vae_temporal");
    config.temporal = TemporalFromJson(temporal);
  }
  config.Validate(where);
  return config;
}

void OpenSoraVaeConfig::Validate(const std::string& where) const {
  spatial.Validate(where);
  CheckAtLeastOne(where,
                  {{"micro_frame_size", micro_frame_size},
                   {"micro_batch_size", micro_batch_size},
                   {"in_out_channels", temporal.in_out_channels},
                   {"latent_embed_dim", temporal.latent_embed_dim},
                   {"embed_dim", temporal.embed_dim},
                   {"filters", temporal.filters},
                   {"num_res_blocks", temporal.num_res_blocks}});
  std::vector<int64_t> widths;
  for (const int64_t multiplier : temporal.channel_multipliers) {
    widths.push_back(temporal.filters * multiplier);
  }
  CheckWidths(where, "channel_multipliers", widths, temporal.num_groups);
  if (temporal.temporal_downsample.size() + 1 != widths.size()) {
    ThrowUserError(where,
                   "\"temporal_downsample\" must have one entry fewer than "
                   "\"channel_multipliers\" ({}) but has {}",
                   widths.size(),
                   temporal.temporal_downsample.size());
  }
  if (spatial.latent_channels != temporal.in_out_channels) {
    ThrowUserError(where,
                   "the spatial half's latent_channels {} must be the temporal half's "
                   "in_out_channels {}",
                   spatial.latent_channels,
                   temporal.in_out_channels);
  }
}

int64_t OpenSoraVaeConfig::LatentFrames(int64_t num_frames) const {
  const int64_t factor = temporal.TimeFactor();
  return num_frames / micro_frame_size * CeilDiv(micro_frame_size, factor) +
         CeilDiv(num_frames % micro_frame_size, factor);
}

OpenSoraTemporalDecoder::OpenSoraTemporalDecoder(ParameterSource* source,
                                                 const OpenSoraTemporalConfig& config)
    : time_factor_(config.TimeFactor()) {
  const std::string prefix = std::string(kTemporalPrefix) + "decoder.";
  const auto conv = [&](const std::string& name, int64_t in, int64_t out, int64_t kernel = 3) {
    return MakeCausalConv(source, name, in, out, kernel, /*with_bias=*/true);
  };
  post_quant_conv_ = conv(std::string(kTemporalPrefix) + "post_quant_conv",
                          config.embed_dim,
                          config.latent_embed_dim,
                          1);
  int64_t width = config.filters * config.channel_multipliers.back();
  conv_in_ = conv(prefix + "conv1", config.latent_embed_dim, width);
  for (int64_t i = 0; i < config.num_res_blocks; ++i) {
    res_blocks_.push_back(MakeCausalResnet(
        source, fmt::format("{}res_blocks.{}", prefix, i), width, width, config.num_groups));
  }
  for (size_t i = config.channel_multipliers.size(); i-- > 0;) {
    const int64_t out = config.filters * config.channel_multipliers[i];
    Stage stage;
    for (int64_t k = 0; k < config.num_res_blocks; ++k) {
      const std::string name = fmt::format("{}block_res_blocks.{}.{}", prefix, i, k);
      stage.resnets.push_back(MakeCausalResnet(source, name, width, out, config.num_groups));
      width = out;
    }
    if (i > 0 && config.temporal_downsample[i - 1]) {
      stage.upsample = conv(fmt::format("{}conv_blocks.{}", prefix, i - 1), width, 2 * width);
    }
    stages_.push_back(std::move(stage));
  }
  norm_out_ = MakeGroupNorm(source, prefix + "norm1", width, config.num_groups, kTemporalEps);
  conv_out_ = conv(prefix + "conv_out", width, config.in_out_channels);
}

at::Tensor OpenSoraTemporalDecoder::operator()(const at::Tensor& z, int64_t num_frames) const {
  at::Tensor x = conv_in_(post_quant_conv_(z));
  for (const Resnet<Conv3d>& resnet : res_blocks_) x = resnet(x);
  for (const Stage& stage : stages_) {
    for (const Resnet<Conv3d>& resnet : stage.resnets) x = resnet(x);
    if (stage.upsample) x = ChannelsToTime((*stage.upsample)(x));
  }
  x = conv_out_(at::silu(norm_out_(x)));
  return x.slice(2, CeilDiv(num_frames, time_factor_) * time_factor_ - num_frames);
}

OpenSoraVae::OpenSoraVae(ParameterSource* source, const OpenSoraVaeConfig& config)
    : config_(config),
      spatial_(source, config.spatial, kSpatialPrefix),
      temporal_(source, config.temporal),
      scale_(source->Get("scale", {1, config.temporal.embed_dim, 1, 1, 1}, Init::kOnes)),
      shift_(source->Get("shift", {1, config.temporal.embed_dim, 1, 1, 1}, Init::kZeros)) {}

at::Tensor OpenSoraVae::DecodeTime(const at::Tensor& latent, int64_t num_frames) const {
  CheckLatent(latent, config_.temporal.embed_dim);
  if (latent.size(2) != config_.LatentFrames(num_frames)) {
    throw std::logic_error("a latent of other frames than were asked for");
  }
  const at::Tensor z = latent.to(scale_.scalar_type()) * scale_ + shift_;
  const int64_t chunk = CeilDiv(config_.micro_frame_size, config_.temporal.TimeFactor());
  std::vector<at::Tensor> pictures;
  for (const at::Tensor& part : z.split(chunk, 2)) {
    pictures.push_back(temporal_(part, std::min(config_.micro_frame_size, num_frames)));
    num_frames -= config_.micro_frame_size;
  }
  return at::cat(pictures, 2);
}

at::Tensor OpenSoraVae::Decode(const at::Tensor& latent, int64_t num_frames) const {
  const at::Tensor z = VideoToPictures(DecodeTime(latent, num_frames)) / kSpatialScale;
  std::vector<at::Tensor> frames;
  for (const at::Tensor& batch : z.split(config_.micro_batch_size)) {
    frames.push_back(spatial_.DecodePictures(batch));
  }
  return at::cat(frames);
}

}  // namespace teacache
