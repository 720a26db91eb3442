#include "runners/models/stdit3.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr int64_t kFrequencies = 256;  // of the sinusoidal embedding of scalars

// AdaLnSingle, choosing per frame between t and t = 0: k tensors [B, M, 1, D].
std::vector<at::Tensor> FrameModulation(const at::Tensor& table,
                                        const at::Tensor& t,
                                        const FrameMask& frames) {
  std::vector<at::Tensor> parts = AdaLnSingle(table, t);
  if (!frames.mask.defined()) return parts;
  const std::vector<at::Tensor> zero = AdaLnSingle(table, frames.t_zero);
  const at::Tensor mask = frames.mask.unsqueeze(-1).unsqueeze(-1);  // [B, T, 1, 1]
  for (size_t i = 0; i < parts.size(); ++i) parts[i] = at::where(mask, parts[i], zero[i]);
  return parts;
}

}  // namespace

at::Tensor PositionInvFreq(int64_t hidden_size) {
  const int64_t count = hidden_size / 4;
  const at::Tensor exponent = at::arange(0, 2 * count, 2, at::kFloat) / (hidden_size / 2);
  return at::pow(10000.0, exponent).reciprocal();
}

at::Tensor RopeFreqs(int64_t head_dim) {
  return at::pow(10000.0, at::arange(0, head_dim, 2, at::kFloat) / head_dim).reciprocal();
}

StDiT3Config StDiT3Config::FromJson(const JsonFields& fields) {
  const std::string& where = fields.where();
  const std::string type = fields.String("model_type", "STDiT3");
  if (type != "STDiT3") ThrowUserError(where, "\"model_type\" must be STDiT3 but is {}", type);
  StDiT3Config config;
  const auto positive = [&](const char* name, int64_t* value) {
    *value = fields.Integer(name, *value);
    if (*value < 1) ThrowUserError(where, "\"{}\" must be at least 1 but is {}", name, *value);
  };
  positive("depth", &config.depth);
  positive("hidden_size", &config.hidden_size);
  positive("num_heads", &config.num_heads);
  positive("in_channels", &config.in_channels);
  positive("caption_channels", &config.caption_channels);
  positive("model_max_length", &config.model_max_length);
  positive("input_sq_size", &config.input_sq_size);
  config.pred_sigma = fields.Bool("pred_sigma", config.pred_sigma);
  config.mlp_ratio = fields.Number("mlp_ratio", config.mlp_ratio);
  if (fields.Has("patch_size")) {
    const std::vector<int64_t> patch = fields.Integers("patch_size");
    if (patch.size() != 3 || std::min({patch[0], patch[1], patch[2]}) < 1) {
      ThrowUserError(where, "\"patch_size\" must be three numbers above 0");
    }
    std::copy(patch.begin(), patch.end(), config.patch_size.begin());
  }
  if (!fields.Bool("qk_norm", true)) ThrowUserError(where, "\"qk_norm\" must be true");
  if (fields.Bool("skip_y_embedder", false)) {
    ThrowUserError(where, "\"skip_y_embedder\" must be false");
  }
  // Heads of equal size, pairs for the rotation, and four parts of a position: no more is needed.
  const int64_t head_dim = config.hidden_size / config.num_heads;
  if (config.hidden_size % config.num_heads != 0 || head_dim % 2 != 0 ||
      config.hidden_size % 4 != 0) {
    ThrowUserError(where,
                   "\"hidden_size\" must be a multiple of 4 and give each of \"num_heads\" an even "
                   "number of channels but is {} with {} heads",
                   config.hidden_size,
                   config.num_heads);
  }
  if (!(config.mlp_ratio * static_cast<double>(config.hidden_size) >= 1)) {
    ThrowUserError(where, "\"mlp_ratio\" must be above 0 but is {}", config.mlp_ratio);
  }
  return config;
}

StDiT3Block::StDiT3Block(ParameterSource* source,
                         const std::string& name,
                         int64_t hidden_size,
                         int64_t num_heads,
                         double mlp_ratio,
                         bool temporal)
    : temporal_(temporal), num_heads_(num_heads) {
  const int64_t d = hidden_size;
  const auto mlp_size = static_cast<int64_t>(static_cast<double>(d) * mlp_ratio);
  scale_shift_table_ = source->Get(
      name + ".scale_shift_table", {6, d}, Init::kNormal, 1 / std::sqrt(static_cast<double>(d)));
  qkv_ = MakeLinear(source, name + ".attn.qkv", d, 3 * d);
  proj_ = MakeLinear(source, name + ".attn.proj", d, d);
  q_norm_ = source->Get(name + ".attn.q_norm.weight", {d / num_heads}, Init::kOnes);
  k_norm_ = source->Get(name + ".attn.k_norm.weight", {d / num_heads}, Init::kOnes);
  cross_q_ = MakeLinear(source, name + ".cross_attn.q_linear", d, d);
  cross_kv_ = MakeLinear(source, name + ".cross_attn.kv_linear", d, 2 * d);
  cross_proj_ = MakeLinear(source, name + ".cross_attn.proj", d, d, Init::kZeros);
  mlp_ = {MakeLinear(source, name + ".mlp.fc1", d, mlp_size),
          MakeLinear(source, name + ".mlp.fc2", mlp_size, d),
          Activation::kGeluTanh};
}

BlockModulation StDiT3Block::Modulation(const at::Tensor& t_mlp, const FrameMask& frames) const {
  const std::vector<at::Tensor> parts = FrameModulation(scale_shift_table_, t_mlp, frames);
  return {parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]};
}

at::Tensor StDiT3Block::ModulatedInput(const at::Tensor& x,
                                       const BlockModulation& modulation) const {
  return Modulate(x, modulation.shift_attn, modulation.scale_attn);
}

at::Tensor StDiT3Block::SelfAttention(const at::Tensor& x,
                                      const RopeTable& rope,
                                      AttentionKernel kernel) const {
  // Attention runs over S within a frame, or over T at one place.
  const at::Tensor grouped = temporal_ ? x.transpose(1, 2) : x;
  const at::Tensor rows = grouped.flatten(0, 1);
  const std::vector<at::Tensor> qkv = qkv_(rows).chunk(3, -1);
  at::Tensor q = NormQuery(SplitHeads(qkv[0], num_heads_));
  at::Tensor k = NormKey(SplitHeads(qkv[1], num_heads_));
  if (temporal_) {
    q = ApplyRope(q, rope);
    k = ApplyRope(k, rope);
  }
  const at::Tensor v = SplitHeads(qkv[2], num_heads_);
  const at::Tensor out = proj_(MergeHeads(Attention(q, k, v, kernel))).view(grouped.sizes());
  return temporal_ ? out.transpose(1, 2) : out;
}

at::Tensor StDiT3Block::CrossAttention(const at::Tensor& x,
                                       const at::Tensor& y,
                                       AttentionKernel kernel) const {
  const std::vector<at::Tensor> kv = cross_kv_(y).chunk(2, -1);
  const at::Tensor out = Attention(SplitHeads(cross_q_(x.flatten(1, 2)), num_heads_),
                                   SplitHeads(kv[0], num_heads_),
                                   SplitHeads(kv[1], num_heads_),
                                   kernel);
  return cross_proj_(MergeHeads(out)).view(x.sizes());
}

at::Tensor StDiT3Block::operator()(const at::Tensor& x,
                                   const at::Tensor& y,
                                   const BlockModulation& modulation,
                                   const RopeTable& rope,
                                   AttentionKernel kernel) const {
  at::Tensor h =
      x + modulation.gate_attn * SelfAttention(ModulatedInput(x, modulation), rope, kernel);
  h = h + CrossAttention(h, y, kernel);
  return h +
         modulation.gate_mlp * FeedForward(Modulate(h, modulation.shift_mlp, modulation.scale_mlp));
}

StDiT3Blocks::StDiT3Blocks(ParameterSource* source, const StDiT3Config& config) {
  for (int64_t i = 0; i < config.depth; ++i) {
    for (const bool temporal : {false, true}) {
      const std::string name =
          (temporal ? "temporal_blocks." : "spatial_blocks.") + std::to_string(i);
      blocks_.emplace_back(
          source, name, config.hidden_size, config.num_heads, config.mlp_ratio, temporal);
    }
  }
}

std::vector<BlockModulation> StDiT3Blocks::Modulations(const at::Tensor& t_mlp,
                                                       const FrameMask& frames) const {
  std::vector<BlockModulation> modulations;
  modulations.reserve(blocks_.size());
  for (const StDiT3Block& block : blocks_) modulations.push_back(block.Modulation(t_mlp, frames));
  return modulations;
}

at::Tensor StDiT3Blocks::operator()(at::Tensor x,
                                    const at::Tensor& y,
                                    const std::vector<BlockModulation>& modulations,
                                    const RopeTable& rope,
                                    AttentionKernel kernel) const {
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i](x, y, modulations[i], rope, kernel);
  return x;
}

PatchEmbedding::PatchEmbedding(ParameterSource* source,
                               const std::string& name,
                               const StDiT3Config& config)
    : patch_(config.patch_size),
      weight_(
          source->Get(name + ".weight",
                      {config.hidden_size, config.in_channels, patch_[0], patch_[1], patch_[2]})),
      bias_(source->Get(name + ".bias", {config.hidden_size}, Init::kZeros)) {}

std::array<int64_t, 3> PatchEmbedding::TokenGrid(at::IntArrayRef latent_shape) const {
  std::array<int64_t, 3> grid{};
  for (int i = 0; i < 3; ++i) {
    const int64_t side = latent_shape[latent_shape.size() - 3 + i];
    grid[i] = (side + patch_[i] - 1) / patch_[i];
  }
  return grid;
}

at::Tensor PatchEmbedding::operator()(const at::Tensor& latent) const {
  const std::array<int64_t, 3> grid = TokenGrid(latent.sizes());
  const auto missing = [&](int i) { return grid[i] * patch_[i] - latent.size(2 + i); };
  at::Tensor x = latent;
  if (missing(0) + missing(1) + missing(2) > 0) {
    x = at::constant_pad_nd(x, {0, missing(2), 0, missing(1), 0, missing(0)});
  }
  // A convolution without overlap is one matrix product over patches.
  x = x.unflatten(4, {grid[2], patch_[2]}).unflatten(3, {grid[1], patch_[1]});
  x = x.unflatten(2, {grid[0], patch_[0]});  // [B, C, T', pt, H', ph, W', pw]
  x = x.permute({0, 2, 4, 6, 1, 3, 5, 7}).flatten(4).flatten(2, 3);
  return at::linear(x, weight_.flatten(1), bias_);
}

FinalLayer::FinalLayer(ParameterSource* source, const StDiT3Config& config, Init weight_init)
    : patch_(config.patch_size),
      out_channels_(config.out_channels()),
      scale_shift_table_(source->Get("final_layer.scale_shift_table",
                                     {2, config.hidden_size},
                                     Init::kNormal,
                                     1 / std::sqrt(static_cast<double>(config.hidden_size)))),
      linear_(MakeLinear(source,
                         "final_layer.linear",
                         config.hidden_size,
                         patch_[0] * patch_[1] * patch_[2] * out_channels_,
                         weight_init)) {}

HeadModulation FinalLayer::Modulation(const at::Tensor& t, const FrameMask& frames) const {
  const std::vector<at::Tensor> now = AdaLnSingle(scale_shift_table_, t);
  HeadModulation modulation{now[0], now[1], {}, {}, {}};
  if (frames.mask.defined()) {
    const std::vector<at::Tensor> zero = AdaLnSingle(scale_shift_table_, frames.t_zero);
    modulation.frame_mask = frames.mask;
    modulation.shift_zero = zero[0];
    modulation.scale_zero = zero[1];
  }
  return modulation;
}

at::Tensor FinalLayer::operator()(const at::Tensor& x, const HeadModulation& modulation) const {
  at::Tensor h = Modulate(x, modulation.shift, modulation.scale);
  if (modulation.frame_mask.defined()) {
    h = at::where(modulation.frame_mask.unsqueeze(-1).unsqueeze(-1),
                  h,
                  Modulate(h, modulation.shift_zero, modulation.scale_zero));
  }
  return linear_(h);
}

at::Tensor FinalLayer::Unpatchify(const at::Tensor& x,
                                  const std::array<int64_t, 3>& grid,
                                  at::IntArrayRef latent_shape) const {
  const auto [t, h, w] = grid;
  at::Tensor out = x.reshape({x.size(0), t, h, w, patch_[0], patch_[1], patch_[2], out_channels_});
  out = out.permute({0, 7, 1, 4, 2, 5, 3, 6});  // [B, C, T', pt, H', ph, W', pw]
  out = out.reshape({x.size(0), out_channels_, t * patch_[0], h * patch_[1], w * patch_[2]});
  for (int i = 0; i < 3; ++i) out = out.narrow(2 + i, 0, latent_shape[2 + i]);
  return out;
}

ScalarEmbedder::ScalarEmbedder(ParameterSource* source,
                               const std::string& name,
                               int64_t hidden_size)
    : mlp_{MakeLinear(source, name + ".mlp.0", kFrequencies, hidden_size),
           MakeLinear(source, name + ".mlp.2", hidden_size, hidden_size),
           Activation::kSilu} {}

at::Tensor ScalarEmbedder::operator()(const at::Tensor& t) const {
  return mlp_(TimestepEmbedding(t, kFrequencies).to(mlp_.fc1.weight.scalar_type()));
}

StDiT3::StDiT3(ParameterSource* source, const StDiT3Config& config)
    : config_(config),
      x_embedder_(source, "x_embedder.proj", config),
      t_embedder_(source, "t_embedder", config.hidden_size),
      fps_embedder_(source, "fps_embedder", config.hidden_size),
      t_block_(MakeLinear(source, "t_block.1", config.hidden_size, 6 * config.hidden_size)),
      y_proj_{
          MakeLinear(source, "y_embedder.y_proj.fc1", config.caption_channels, config.hidden_size),
          MakeLinear(source, "y_embedder.y_proj.fc2", config.hidden_size, config.hidden_size),
          Activation::kGeluTanh},
      null_text_(source->Get("y_embedder.y_embedding",
                             {config.model_max_length, config.caption_channels},
                             Init::kNormal)),
      rope_freqs_(
          source->Get("rope.freqs", {config.hidden_size / config.num_heads / 2}, Init::kOnes)),
      position_inv_freq_(PositionInvFreq(config.hidden_size).to(rope_freqs_.options())),
      blocks_(source, config),
      final_layer_(source, config, Init::kXavierUniform) {}

at::Tensor StDiT3::TimeBlock(const at::Tensor& t) const { return t_block_(at::silu(t)); }

StDiT3::Condition StDiT3::Prepare(const at::Tensor& text,
                                  const at::Tensor& mask,
                                  const at::Tensor& fps,
                                  double height,
                                  double width,
                                  at::IntArrayRef latent_shape) const {
  Condition condition;
  const at::Tensor kept = at::nonzero(mask.flatten()).squeeze(-1);
  condition.y = y_proj_(text.to(dtype()).squeeze(1)).index_select(1, kept);
  condition.fps = fps_embedder_(fps.to(dtype()));
  const auto [frames, rows, columns] = x_embedder_.TokenGrid(latent_shape);
  const double scale = std::sqrt(height * width) / static_cast<double>(config_.input_sq_size);
  const double base = std::nearbyint(std::sqrt(static_cast<double>(rows * columns)));
  condition.position =
      SinCos2d(position_inv_freq_, rows, columns, scale, base).unsqueeze(0).to(dtype());
  return condition;
}

StDiT3::Call StDiT3::Embed(const at::Tensor& latent,
                           const at::Tensor& timestep,
                           const Condition& condition,
                           const at::Tensor& frame_mask) const {
  Call call;
  call.latent_shape = latent.sizes().vec();
  call.grid = x_embedder_.TokenGrid(latent.sizes());
  const at::Tensor t = timestep.to(dtype());
  call.t = t_embedder_(t) + condition.fps;
  call.t_mlp = TimeBlock(call.t);
  if (frame_mask.defined()) {
    call.frame_mask = frame_mask;
    call.t_zero = t_embedder_(at::zeros_like(t)) + condition.fps;
    call.t_mlp_zero = TimeBlock(call.t_zero);
  }
  call.x = x_embedder_(latent.to(dtype())) + condition.position;
  return call;
}

at::Tensor StDiT3::ModulatedInput(const Call& call) const {
  const StDiT3Block& first = blocks_.block(0);
  return first.ModulatedInput(call.x, first.Modulation(call.t_mlp));
}

at::Tensor StDiT3::Blocks(const Call& call,
                          const Condition& condition,
                          AttentionKernel kernel) const {
  const auto modulations = blocks_.Modulations(call.t_mlp, {call.frame_mask, call.t_mlp_zero});
  return blocks_(call.x, condition.y, modulations, Rope(call.grid[0]), kernel);
}

at::Tensor StDiT3::Head(const at::Tensor& x, const Call& call) const {
  const auto modulation = final_layer_.Modulation(call.t, {call.frame_mask, call.t_zero});
  const at::Tensor out = final_layer_(x, modulation);
  return final_layer_.Unpatchify(out, call.grid, call.latent_shape).to(at::kFloat);
}

}  // namespace teacache
