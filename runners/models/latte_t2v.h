#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runners/nn/layers.h"
#include "runners/nn/parameters.h"

namespace teacache {

// LatteT2V, the transformer of Latte-1 and of Open-Sora-Plan 1.1 (reference: videosys'
// latte_transformer_3d.py and open_sora_plan_v110_transformer_3d.py in ali-vilab/TeaCache). Spatial
// and temporal blocks alternate; both are modulated by adaLN-single; the text is seen by the
// spatial blocks only, through cross-attention without norm and gate.
//
// Letters: B batch, F latent frames, S tokens per frame (rows then columns), D = heads * head
// dimension, L text tokens.

// Fields of the checkpoint's config.json by their names there.
struct LatteT2VConfig {
  int64_t num_attention_heads = 16;
  int64_t attention_head_dim = 72;
  int64_t in_channels = 4;
  int64_t out_channels = 8;
  int64_t num_layers = 28;   // pairs of a spatial and a temporal block
  int64_t sample_size = 64;  // latent rows that positions are scaled to
  int64_t patch_size = 2;
  double norm_eps = 1e-6;  // of the blocks; the last norm has 1e-6 always
  int64_t caption_channels = 4096;
  int64_t video_length = 16;  // latent frames

  // Open-Sora-Plan's file, known by fields that Latte's has not: temporal positions are divided by
  // a scale and added even to a single frame, and the checkpoint has one more buffer.
  bool open_sora_plan = false;
  std::optional<double> interpolation_scale_1d = std::nullopt;  // unset = from video_length

  int64_t hidden_size() const { return num_attention_heads * attention_head_dim; }
  double temporal_scale() const;
  // Keys that checkpoints may hold and the model does not use.
  std::vector<std::string> IgnoredKeys() const;
};

// `config`: what config.json holds; `where` names it in messages. Throws UserError for a field that
// is missing or wrong, and for a variant of the model that is not supported (rotary positions,
// compressed keys, other norms).
LatteT2VConfig ParseLatteT2VConfig(const nlohmann::json& config, const std::string& where);

// Position tables, float64 inside: [sin | cos] of position * 10000^(-k / (dim / 2)).
// [rows * columns, dim] float32, first half of `dim` from the column; the positions of a grid side
// of n are k / (n / (sample_size / patch_size)) / max(sample_size / 64, 1) in float32.
at::Tensor LatteSpatialPositions(
    int64_t dim, int64_t rows, int64_t columns, int64_t sample_size, int64_t patch_size);
// [length, dim] float32, positions k / scale.
at::Tensor LatteTemporalPositions(int64_t dim, int64_t length, double scale);

class LatteT2VBlock {
 public:
  LatteT2VBlock(ParameterSource* source,
                const std::string& name,
                const LatteT2VConfig& config,
                bool temporal);

  // LN(x) (1 + scale) + shift in front of the self-attention: x [B, F, S, D], t_mlp [B, 6 D].
  at::Tensor ModulatedInput(const at::Tensor& x, const at::Tensor& t_mlp) const;
  // `text` [B, L, D] is used by spatial blocks only.
  at::Tensor operator()(const at::Tensor& x,
                        const at::Tensor& text,
                        const at::Tensor& t_mlp,
                        AttentionKernel kernel) const;

 private:
  struct Attention {
    Linear q, k, v, out;
    int64_t heads = 1;
    // x [N, T, D], context [N, M, D] -> [N, T, D].
    at::Tensor operator()(const at::Tensor& x,
                          const at::Tensor& context,
                          AttentionKernel kernel) const;
  };
  static Attention MakeAttention(ParameterSource* source,
                                 const std::string& name,
                                 const LatteT2VConfig& config);
  at::Tensor SelfAttention(const at::Tensor& x, AttentionKernel kernel) const;

  bool temporal_;
  double eps_;
  at::Tensor scale_shift_table_;  // [6, D]
  Attention attn1_;
  Attention attn2_;  // spatial blocks
  Mlp ff_;
};

class LatteT2V {
 public:
  LatteT2V(ParameterSource* source, const LatteT2VConfig& config);

  // What a video's conditions come to; depends on neither latent nor timestep.
  struct Condition {
    at::Tensor text;       // [B, L, D], projected
    at::Tensor positions;  // [S, D]
  };
  // `text` [B, L, caption_channels] or, as Open-Sora-Plan hands it around, [B, 1, L,
  // caption_channels]; `latent_shape` of the samples to come, rows and columns multiples of the
  // patch, frames the model's video_length (or 1, for Latte). Throws UserError for others.
  Condition Prepare(const at::Tensor& text, at::IntArrayRef latent_shape) const;

  // One call, in the three parts that caching needs.
  struct Call {
    at::Tensor x;          // [B, F, S, D], tokens with spatial position
    at::Tensor t;          // [B or 1, D]
    at::Tensor t_mlp;      // [B or 1, 6 D], shared by all blocks
    at::Tensor modulated;  // [B, F, S, D], TeaCache's signal; where asked for
    std::vector<int64_t> latent_shape;
  };
  // `latent` [B, C, F, H, W]; `timestep` [B], or [1] for all.
  Call Embed(const at::Tensor& latent,
             const at::Tensor& timestep,
             const Condition& condition,
             bool with_signal = true) const;
  at::Tensor Blocks(const Call& call,
                    const Condition& condition,
                    AttentionKernel kernel = AttentionKernel::kFused) const;
  // [B, C_out, F, H, W] in the model's dtype.
  at::Tensor Head(const at::Tensor& x, const Call& call) const;

  const LatteT2VConfig& config() const { return config_; }
  at::ScalarType dtype() const { return patch_weight_.scalar_type(); }
  at::Device device() const { return patch_weight_.device(); }

  // Parts, for tests. Blocks are in order of execution: spatial 0, temporal 0, spatial 1, ...
  const std::vector<LatteT2VBlock>& blocks() const { return blocks_; }
  // Before temporal block 0.
  at::Tensor AddTemporalPositions(const at::Tensor& x) const;

 private:
  LatteT2VConfig config_;
  at::Tensor patch_weight_;  // [D, C, p, p]
  at::Tensor patch_bias_;
  Mlp t_embedder_;
  Linear t_block_;
  Mlp caption_projection_;
  std::vector<LatteT2VBlock> blocks_;
  at::Tensor scale_shift_table_;  // [2, D]
  Linear proj_out_;
  at::Tensor temporal_positions_;  // [video_length, 1, D]
};

}  // namespace teacache
