#include "runners/vae/causal_vae.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>

#include "datasets/base/error.h"
#include "runners/vae/config_checks.h"

namespace teacache {
namespace {

constexpr int64_t kGroups = 32;

void CheckListSize(const std::string& where,
                   const std::string& name,
                   size_t size,
                   size_t expected) {
  if (size != expected) {
    ThrowUserError(where,
                   "\"{}\" must have one entry per width of \"hidden_size_mult\" ({}) but has {}",
                   name,
                   expected,
                   size);
  }
}

int64_t CountNamed(const std::vector<std::string>& kinds) {
  return std::count_if(kinds.begin(), kinds.end(), [](const auto& kind) { return !kind.empty(); });
}

// The first rows (dim 3) or columns (dim 4) of `b` fade in from the last ones of `a`, in place.
void Blend(const at::Tensor& a, const at::Tensor& b, int64_t dim, int64_t extent) {
  const int64_t n = std::min({a.size(dim), b.size(dim), extent});
  if (n == 0) return;
  std::vector<int64_t> shape(5, 1);
  shape[dim] = n;
  const at::Tensor weight =
      (at::arange(n, at::kDouble) / static_cast<double>(n)).view(shape).to(b.device());
  const auto times = [&](const at::Tensor& x, const at::Tensor& w) {
    return (x.to(at::kFloat) * w.to(at::kFloat)).to(x.scalar_type());
  };
  const at::Tensor head = b.narrow(dim, 0, n);
  head.copy_(times(a.narrow(dim, a.size(dim) - n, n), 1 - weight) + times(head, weight));
}

}  // namespace

CausalVaeConfig CausalVaeConfig::FromJson(const JsonFields& fields) {
  const std::string& where = fields.where();
  CausalVaeConfig config;
  const auto integer = [&](const char* name, int64_t* value) {
    *value = fields.Integer(name, *value);
  };
  const auto kind = [&](const char* name, std::string* value) {
    *value = fields.String(name, *value);
  };
  const auto kinds = [&](const char* name, std::vector<std::string>* value) {
    if (fields.Has(name)) *value = fields.Strings(name);
  };
  integer("hidden_size", &config.hidden_size);
  integer("z_channels", &config.z_channels);
  integer("embed_dim", &config.embed_dim);
  integer("resolution", &config.resolution);
  integer("num_res_blocks", &config.num_res_blocks);
  if (fields.Has("hidden_size_mult")) config.hidden_size_mult = fields.Integers("hidden_size_mult");
  if (fields.Has("attn_resolutions")) config.attn_resolutions = fields.Integers("attn_resolutions");
  kind("q_conv", &config.q_conv);
  kind("decoder_conv_in", &config.decoder_conv_in);
  kind("decoder_conv_out", &config.decoder_conv_out);
  kind("decoder_attention", &config.decoder_attention);
  kind("decoder_mid_resnet", &config.decoder_mid_resnet);
  kinds("decoder_resnet_blocks", &config.decoder_resnet_blocks);
  kinds("decoder_spatial_upsample", &config.decoder_spatial_upsample);
  kinds("decoder_temporal_upsample", &config.decoder_temporal_upsample);
  config.Validate(where);
  return config;
}

void CausalVaeConfig::Validate(const std::string& where) const {
  CheckAtLeastOne(where,
                  {{"hidden_size", hidden_size},
                   {"z_channels", z_channels},
                   {"embed_dim", embed_dim},
                   {"num_res_blocks", num_res_blocks}});
  std::vector<int64_t> widths;
  for (const int64_t multiplier : hidden_size_mult) widths.push_back(hidden_size * multiplier);
  CheckWidths(where, "hidden_size_mult", widths, kGroups);
  CheckListSize(where, "decoder_resnet_blocks", decoder_resnet_blocks.size(), widths.size());
  CheckListSize(where, "decoder_spatial_upsample", decoder_spatial_upsample.size(), widths.size());
  CheckListSize(
      where, "decoder_temporal_upsample", decoder_temporal_upsample.size(), widths.size());
}

int64_t CausalVaeConfig::SpaceFactor() const {
  return int64_t{1} << CountNamed(decoder_spatial_upsample);
}

int64_t CausalVaeConfig::TimeFactor() const {
  return int64_t{1} << CountNamed(decoder_temporal_upsample);
}

void CausalVaeTiling::Validate(const std::string& where) const {
  if (!(overlap_factor >= 0 && overlap_factor < 1) || latent_size < 1 || sample_size < 1 ||
      latent_frames < 2 || static_cast<int64_t>(latent_size * (1 - overlap_factor)) < 1) {
    ThrowUserError(where,
                   "tiles must have sizes above 0, at least 2 frames and an overlap in [0, 1)");
  }
}

std::vector<std::pair<int64_t, int64_t>> TimeWindows(int64_t frames, int64_t window) {
  std::vector<std::pair<int64_t, int64_t>> windows;
  for (int64_t begin = 0; begin == 0 || begin + 1 < frames; begin += window - 1) {
    windows.emplace_back(begin, std::min(begin + window, frames));
  }
  return windows;
}

std::vector<int64_t> TileOffsets(int64_t side, const CausalVaeTiling& tiling) {
  const auto step = static_cast<int64_t>(tiling.latent_size * (1 - tiling.overlap_factor));
  std::vector<int64_t> offsets;
  for (int64_t offset = 0; offset < side; offset += step) offsets.push_back(offset);
  return offsets;
}

CausalVae::CausalVae(ParameterSource* source,
                     const CausalVaeConfig& config,
                     const CausalVaeTiling& tiling)
    : config_(config), tiling_(tiling) {
  tiling.Validate("tiling");
  const auto resnet =
      [&](const std::string& name, const std::string& kind, int64_t in, int64_t out) {
        return MakeVideoResnet(source, "decoder." + name, kind, in, out);
      };
  const auto attention = [&](const std::string& name, int64_t channels) {
    return MakeCausalAttention(source, "decoder." + name, config.decoder_attention, channels);
  };
  const size_t stages = config.hidden_size_mult.size();
  post_quant_conv_ = MakeVideoConv(
      source, "post_quant_conv", config.q_conv, config.embed_dim, config.z_channels, 1);
  int64_t width = config.hidden_size * config.hidden_size_mult.back();
  conv_in_ =
      MakeVideoConv(source, "decoder.conv_in", config.decoder_conv_in, config.z_channels, width, 3);
  mid_1_ = resnet("mid.block_1", config.decoder_mid_resnet, width, width);
  mid_attention_ = attention("mid.attn_1", width);
  mid_2_ = resnet("mid.block_2", config.decoder_mid_resnet, width, width);
  int64_t side = config.resolution >> (stages - 1);
  for (size_t i = stages; i-- > 0;) {
    const int64_t out = config.hidden_size * config.hidden_size_mult[i];
    const bool attends =
        std::find(config.attn_resolutions.begin(), config.attn_resolutions.end(), side) !=
        config.attn_resolutions.end();
    Stage stage;
    for (int64_t k = 0; k <= config.num_res_blocks; ++k) {
      stage.resnets.push_back(
          resnet(fmt::format("up.{}.block.{}", i, k), config.decoder_resnet_blocks[i], width, out));
      width = out;
      if (attends) stage.attentions.push_back(attention(fmt::format("up.{}.attn.{}", i, k), width));
    }
    if (const std::string& kind = config.decoder_spatial_upsample[i]; !kind.empty()) {
      stage.space =
          MakeSpaceUpsample(source, fmt::format("decoder.up.{}.upsample", i), kind, width);
      side *= 2;
    }
    if (const std::string& kind = config.decoder_temporal_upsample[i]; !kind.empty()) {
      stage.time =
          MakeTimeUpsample(source, fmt::format("decoder.up.{}.time_upsample", i), kind, width);
    }
    stages_.push_back(std::move(stage));
  }
  norm_out_ = MakeGroupNorm(source, "decoder.norm_out", width);
  conv_out_ = MakeVideoConv(source, "decoder.conv_out", config.decoder_conv_out, width, 3, 3);
}

at::Tensor CausalVae::Mid(const at::Tensor& z) const {
  return mid_2_(mid_attention_(mid_1_(conv_in_(z))));
}

at::Tensor CausalVae::DecodeWhole(const at::Tensor& z) const {
  at::Tensor x = Mid(PostQuant(z));
  for (const Stage& stage : stages_) {
    for (size_t k = 0; k < stage.resnets.size(); ++k) {
      x = stage.resnets[k](x);
      if (!stage.attentions.empty()) x = stage.attentions[k](x);
    }
    if (stage.space) x = (*stage.space)(x);
    if (stage.time) x = (*stage.time)(x);
  }
  return conv_out_(at::silu(norm_out_(x)));
}

at::Tensor CausalVae::DecodeWindow(const at::Tensor& z) const {
  const std::vector<int64_t> offsets_y = TileOffsets(z.size(3), tiling_);
  const std::vector<int64_t> offsets_x = TileOffsets(z.size(4), tiling_);
  std::vector<std::vector<at::Tensor>> tiles;
  for (const int64_t y : offsets_y) {
    std::vector<at::Tensor>& row = tiles.emplace_back();
    for (const int64_t x : offsets_x) {
      row.push_back(
          DecodeWhole(z.slice(3, y, y + tiling_.latent_size).slice(4, x, x + tiling_.latent_size)));
    }
  }
  const auto extent = static_cast<int64_t>(tiling_.sample_size * tiling_.overlap_factor);
  const int64_t kept = tiling_.sample_size - extent;
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < tiles.size(); ++i) {
    std::vector<at::Tensor> row;
    for (size_t j = 0; j < tiles[i].size(); ++j) {
      // In this order and against neighbours that are blended already and not yet cut: the
      // reference's result depends on it.
      const at::Tensor& tile = tiles[i][j];
      if (i > 0) Blend(tiles[i - 1][j], tile, 3, extent);
      if (j > 0) Blend(tiles[i][j - 1], tile, 4, extent);
      row.push_back(tile.slice(3, 0, kept).slice(4, 0, kept));
    }
    rows.push_back(at::cat(row, 4));
  }
  return at::cat(rows, 3);
}

at::Tensor CausalVae::DecodeTiled(const at::Tensor& z) const {
  std::vector<at::Tensor> parts;
  for (const auto& [begin, end] : TimeWindows(z.size(2), tiling_.latent_frames)) {
    const at::Tensor decoded = DecodeWindow(z.slice(2, begin, end));
    parts.push_back(begin == 0 ? decoded : decoded.slice(2, 1));
  }
  return at::cat(parts, 2);
}

at::Tensor CausalVae::Decode(const at::Tensor& latent, int64_t num_frames) const {
  CheckLatent(latent, config_.embed_dim);
  const at::Tensor z = latent.to(norm_out_.weight.scalar_type()) / kScale;
  const bool tiled = tiling_.enabled && (z.size(2) > tiling_.latent_frames ||
                                         std::max(z.size(3), z.size(4)) > tiling_.latent_size);
  const at::Tensor video = tiled ? DecodeTiled(z) : DecodeWhole(z);
  return video[0].transpose(0, 1).slice(0, 0, num_frames);
}

}  // namespace teacache
