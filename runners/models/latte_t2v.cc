#include "runners/models/latte_t2v.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

constexpr int64_t kFrequencies = 256;  // of the sinusoidal embedding of the timestep
constexpr double kLastNormEps = 1e-6;
constexpr int64_t kMaxSize = int64_t{1} << 20;  // of any field: larger ones are mistakes

// The fields in one form: null means "not given" and goes away, and a sample_size [rows, columns]
// becomes its rows, which scale the positions of both.
nlohmann::json InOneForm(const nlohmann::json& config) {
  nlohmann::json plain = nlohmann::json::object();
  for (const auto& [name, value] : config.items()) {
    const bool list = name == "sample_size" && value.is_array() && !value.empty();
    if (!value.is_null()) plain[name] = list ? value.front() : value;
  }
  return plain;
}

int64_t Size(const JsonFields& fields, std::string_view name) {
  const int64_t value = fields.Integer(name);
  if (value < 1 || value > kMaxSize) {
    ThrowUserError(fields.where(), "{} must be 1 to {} but is {}", name, kMaxSize, value);
  }
  return value;
}

// Fields that select other models than this one, and the values that they may have.
void CheckVariant(const JsonFields& fields) {
  const auto text = [&](std::string_view name, std::string_view must) {
    const std::string value = fields.String(name, std::string(must));
    if (value != must) ThrowUserError(fields.where(), "{} must be {} but is {}", name, must, value);
  };
  const auto flag = [&](std::string_view name, bool must) {
    if (fields.Bool(name, must) != must) {
      ThrowUserError(fields.where(), "{} must be {} but is {}", name, must, !must);
    }
  };
  const auto number = [&](std::string_view name, int64_t must) {
    const int64_t value = fields.Integer(name, must);
    if (value != must) ThrowUserError(fields.where(), "{} must be {} but is {}", name, must, value);
  };
  text("_class_name", "LatteT2V");
  text("norm_type", "ada_norm_single");
  text("activation_fn", "gelu-approximate");
  text("attention_type", "default");
  flag("norm_elementwise_affine", false);
  flag("attention_bias", true);
  flag("use_rope", false);
  flag("double_self_attention", false);
  flag("only_cross_attention", false);
  number("compress_kv_factor", 1);
  number("patch_size_t", 1);
}

// [N, dim] float64.
at::Tensor SinCos(const at::Tensor& positions, int64_t dim) {
  const at::Tensor exponents = at::arange(dim / 2, at::kDouble) / (static_cast<double>(dim) / 2.0);
  const at::Tensor freqs = at::pow(10000.0, exponents).reciprocal();
  const at::Tensor angles = positions.to(at::kDouble).unsqueeze(1) * freqs.unsqueeze(0);
  return at::cat({angles.sin(), angles.cos()}, 1);
}

}  // namespace

double LatteT2VConfig::temporal_scale() const {
  if (!open_sora_plan) return 1;
  if (interpolation_scale_1d) return *interpolation_scale_1d;
  const int64_t frames = video_length % 2 == 1 ? video_length - 1 : video_length;
  return static_cast<double>(std::max<int64_t>(frames / 16, 1));
}

std::vector<std::string> LatteT2VConfig::IgnoredKeys() const {
  return {"pos_embed.pos_embed", "temp_pos_embed", "caption_projection.y_embedding"};
}

LatteT2VConfig ParseLatteT2VConfig(const nlohmann::json& json, const std::string& where) {
  const JsonFields present(json, where);
  const nlohmann::json plain = InOneForm(json);
  const JsonFields fields(plain, where);
  CheckVariant(fields);
  LatteT2VConfig config;
  config.num_attention_heads = Size(fields, "num_attention_heads");
  config.attention_head_dim = Size(fields, "attention_head_dim");
  config.in_channels = Size(fields, "in_channels");
  config.out_channels =
      fields.Has("out_channels") ? Size(fields, "out_channels") : config.in_channels;
  config.num_layers = Size(fields, "num_layers");
  config.patch_size = Size(fields, "patch_size");
  config.caption_channels = Size(fields, "caption_channels");
  config.video_length = fields.Has("video_length") ? Size(fields, "video_length") : 16;
  config.norm_eps = fields.Number("norm_eps");
  if (!(config.norm_eps > 0)) ThrowUserError(where, "norm_eps must be above 0");
  config.sample_size = Size(fields, "sample_size");
  if (config.sample_size < config.patch_size) {
    ThrowUserError(where,
                   "sample_size must be at least the patch_size {} but is {}",
                   config.patch_size,
                   config.sample_size);
  }
  if (config.hidden_size() % 4 != 0) {
    ThrowUserError(where,
                   "num_attention_heads * attention_head_dim must be a multiple of 4 but is {}",
                   config.hidden_size());
  }
  if (fields.Integer("cross_attention_dim", config.hidden_size()) != config.hidden_size()) {
    ThrowUserError(where,
                   "cross_attention_dim must be num_attention_heads * attention_head_dim = {} but "
                   "is {}",
                   config.hidden_size(),
                   fields.Integer("cross_attention_dim"));
  }
  for (const std::string_view name : {"use_rope", "compress_kv_factor", "interpolation_scale_1d"}) {
    config.open_sora_plan = config.open_sora_plan || present.Has(name);
  }
  if (fields.Has("interpolation_scale_1d")) {
    config.interpolation_scale_1d = fields.Number("interpolation_scale_1d");
    if (!(*config.interpolation_scale_1d > 0)) {
      ThrowUserError(where, "interpolation_scale_1d must be above 0");
    }
  }
  return config;
}

at::Tensor LatteSpatialPositions(
    int64_t dim, int64_t rows, int64_t columns, int64_t sample_size, int64_t patch_size) {
  const auto base = static_cast<double>(sample_size / patch_size);
  const auto scale = static_cast<double>(std::max<int64_t>(sample_size / 64, 1));
  const auto axis = [&](int64_t side) {
    const at::Tensor index = at::arange(side, at::kFloat);
    return SinCos(index / (static_cast<double>(side) / base) / scale, dim / 2);
  };
  const at::Tensor across = axis(columns).unsqueeze(0).expand({rows, columns, dim / 2});
  const at::Tensor down = axis(rows).unsqueeze(1).expand({rows, columns, dim / 2});
  return at::cat({across, down}, -1).reshape({rows * columns, dim}).to(at::kFloat);
}

at::Tensor LatteTemporalPositions(int64_t dim, int64_t length, double scale) {
  return SinCos(at::arange(length, at::kDouble) / scale, dim).to(at::kFloat);
}

at::Tensor LatteT2VBlock::Attention::operator()(const at::Tensor& x,
                                                const at::Tensor& context,
                                                AttentionKernel kernel) const {
  return out(MergeHeads(teacache::Attention(SplitHeads(q(x), heads),
                                            SplitHeads(k(context), heads),
                                            SplitHeads(v(context), heads),
                                            kernel)));
}

LatteT2VBlock::Attention LatteT2VBlock::MakeAttention(ParameterSource* source,
                                                      const std::string& name,
                                                      const LatteT2VConfig& config) {
  const int64_t d = config.hidden_size();
  return {MakeLinear(source, name + ".to_q", d, d),
          MakeLinear(source, name + ".to_k", d, d),
          MakeLinear(source, name + ".to_v", d, d),
          MakeLinear(source, name + ".to_out.0", d, d),
          config.num_attention_heads};
}

LatteT2VBlock::LatteT2VBlock(ParameterSource* source,
                             const std::string& name,
                             const LatteT2VConfig& config,
                             bool temporal)
    : temporal_(temporal), eps_(config.norm_eps) {
  const int64_t d = config.hidden_size();
  scale_shift_table_ = source->Get(
      name + ".scale_shift_table", {6, d}, Init::kNormal, 1 / std::sqrt(static_cast<double>(d)));
  attn1_ = MakeAttention(source, name + ".attn1", config);
  if (!temporal) attn2_ = MakeAttention(source, name + ".attn2", config);
  ff_ = {MakeLinear(source, name + ".ff.net.0.proj", d, 4 * d),
         MakeLinear(source, name + ".ff.net.2", 4 * d, d),
         Activation::kGeluTanh};
}

at::Tensor LatteT2VBlock::ModulatedInput(const at::Tensor& x, const at::Tensor& t_mlp) const {
  const std::vector<at::Tensor> parts = AdaLnSingle(scale_shift_table_, t_mlp);
  return Modulate(x, parts[0], parts[1], eps_);
}

at::Tensor LatteT2VBlock::SelfAttention(const at::Tensor& x, AttentionKernel kernel) const {
  // Attention runs over S within a frame, or over F at one place.
  const at::Tensor grouped = temporal_ ? x.transpose(1, 2) : x;
  const at::Tensor rows = grouped.flatten(0, 1);
  const at::Tensor out = attn1_(rows, rows, kernel).view(grouped.sizes());
  return temporal_ ? out.transpose(1, 2) : out;
}

at::Tensor LatteT2VBlock::operator()(const at::Tensor& x,
                                     const at::Tensor& text,
                                     const at::Tensor& t_mlp,
                                     AttentionKernel kernel) const {
  const std::vector<at::Tensor> parts = AdaLnSingle(scale_shift_table_, t_mlp);
  at::Tensor h = x + parts[2] * SelfAttention(Modulate(x, parts[0], parts[1], eps_), kernel);
  if (!temporal_) h = h + attn2_(h.flatten(1, 2), text, kernel).view(h.sizes());
  return h + parts[5] * ff_(Modulate(h, parts[3], parts[4], eps_));
}

LatteT2V::LatteT2V(ParameterSource* source, const LatteT2VConfig& config) : config_(config) {
  const int64_t d = config.hidden_size();
  const int64_t p = config.patch_size;
  patch_weight_ = source->Get("pos_embed.proj.weight", {d, config.in_channels, p, p});
  patch_bias_ = source->Get("pos_embed.proj.bias", {d}, Init::kZeros);
  const std::string embedder = "adaln_single.emb.timestep_embedder.";
  t_embedder_ = {MakeLinear(source, embedder + "linear_1", kFrequencies, d),
                 MakeLinear(source, embedder + "linear_2", d, d),
                 Activation::kSilu};
  t_block_ = MakeLinear(source, "adaln_single.linear", d, 6 * d);
  caption_projection_ = {
      MakeLinear(source, "caption_projection.linear_1", config.caption_channels, d),
      MakeLinear(source, "caption_projection.linear_2", d, d),
      Activation::kGeluTanh};
  for (int64_t i = 0; i < config.num_layers; ++i) {
    blocks_.emplace_back(source, "transformer_blocks." + std::to_string(i), config, false);
    blocks_.emplace_back(source, "temporal_transformer_blocks." + std::to_string(i), config, true);
  }
  scale_shift_table_ = source->Get(
      "scale_shift_table", {2, d}, Init::kNormal, 1 / std::sqrt(static_cast<double>(d)));
  proj_out_ = MakeLinear(source, "proj_out", d, p * p * config.out_channels);
  temporal_positions_ = LatteTemporalPositions(d, config.video_length, config.temporal_scale())
                            .unsqueeze(1)
                            .to(patch_weight_.options());
}

LatteT2V::Condition LatteT2V::Prepare(const at::Tensor& text, at::IntArrayRef latent_shape) const {
  const int64_t p = config_.patch_size;
  const int64_t frames = latent_shape.at(2);
  if (latent_shape.at(3) % p != 0 || latent_shape.at(4) % p != 0) {
    ThrowUserError("latte", "rows and columns of the latent must be multiples of {}", p);
  }
  if (frames != config_.video_length && (frames != 1 || config_.open_sora_plan)) {
    ThrowUserError(
        "latte", "latent must have the model's {} frames but has {}", config_.video_length, frames);
  }
  const at::Tensor rows = text.dim() == 4 ? text.squeeze(1) : text;
  const at::Tensor positions = LatteSpatialPositions(
      config_.hidden_size(), latent_shape[3] / p, latent_shape[4] / p, config_.sample_size, p);
  return {caption_projection_(rows.to(device(), dtype())), positions.to(patch_weight_.options())};
}

LatteT2V::Call LatteT2V::Embed(const at::Tensor& latent,
                               const at::Tensor& timestep,
                               const Condition& condition,
                               bool with_signal) const {
  const int64_t p = config_.patch_size;
  const int64_t rows = latent.size(3) / p;
  const int64_t columns = latent.size(4) / p;
  Call call;
  call.latent_shape = latent.sizes().vec();
  call.t = t_embedder_(TimestepEmbedding(timestep, kFrequencies).to(device(), dtype()));
  call.t_mlp = t_block_(at::silu(call.t));
  // A convolution without overlap is one matrix product over patches.
  at::Tensor x = latent.to(device(), dtype()).unflatten(4, {columns, p}).unflatten(3, {rows, p});
  x = x.permute({0, 2, 3, 5, 1, 4, 6}).flatten(4).flatten(2, 3);  // [B, F, S, C p p]
  call.x = at::linear(x, patch_weight_.flatten(1), patch_bias_) + condition.positions;
  if (with_signal) call.modulated = blocks_.front().ModulatedInput(call.x, call.t_mlp);
  return call;
}

at::Tensor LatteT2V::AddTemporalPositions(const at::Tensor& x) const {
  return x.size(1) == 1 && !config_.open_sora_plan ? x : x + temporal_positions_;
}

at::Tensor LatteT2V::Blocks(const Call& call,
                            const Condition& condition,
                            AttentionKernel kernel) const {
  at::Tensor x = call.x;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (i == 1) x = AddTemporalPositions(x);
    x = blocks_[i](x, condition.text, call.t_mlp, kernel);
  }
  return x;
}

at::Tensor LatteT2V::Head(const at::Tensor& x, const Call& call) const {
  const std::vector<at::Tensor> parts = AdaLnSingle(scale_shift_table_, call.t);
  at::Tensor out = proj_out_(Modulate(x, parts[0], parts[1], kLastNormEps));
  const int64_t p = config_.patch_size;
  const int64_t rows = call.latent_shape[3] / p;
  const int64_t columns = call.latent_shape[4] / p;
  out = out.unflatten(-1, {p, p, config_.out_channels}).unflatten(2, {rows, columns});
  out = out.permute({0, 6, 1, 2, 4, 3, 5});  // [B, C, F, rows, p, columns, p]
  return out.flatten(5, 6).flatten(3, 4);
}

}  // namespace teacache
