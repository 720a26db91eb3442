#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "datasets/base/json_fields.h"
#include "runners/nn/layers.h"
#include "runners/nn/parameters.h"

namespace teacache {

// STDiT3, the transformer of Open-Sora 1.2 (reference: hpcaitech/Open-Sora
// opensora/models/stdit/stdit3.py; videosys' copy in ali-vilab/TeaCache). Spatial and temporal
// blocks alternate; both are modulated by adaLN-single from one timestep embedding. The embedded
// model (shapes_transformer.h) is built from the same parts.
//
// Letters: B batch, T latent frames after patching, S tokens per frame (rows then columns), D
// hidden size, L text tokens.

struct StDiT3Config {
  int64_t depth = 28;  // pairs of spatial and temporal blocks
  int64_t hidden_size = 1152;
  int64_t num_heads = 16;
  std::array<int64_t, 3> patch_size = {1, 2, 2};  // frames, rows, columns
  int64_t in_channels = 4;
  bool pred_sigma = true;  // twice as many output channels
  double mlp_ratio = 4.0;
  int64_t caption_channels = 4096;
  int64_t model_max_length = 300;  // text tokens
  int64_t input_sq_size = 512;     // pixels; position scale 1

  int64_t out_channels() const { return pred_sigma ? 2 * in_channels : in_channels; }

  // Of a config.json; fields that are not there keep the values above. Throws UserError for what
  // is wrong or not supported.
  static StDiT3Config FromJson(const JsonFields& fields);
};

// Shift, scale and gate tensors of adaLN-single: [B, M, 1, D] each, M = 1 (one timestep per sample)
// or T (frames of two kinds, see FrameMask).
struct BlockModulation {
  at::Tensor shift_attn, scale_attn, gate_attn;
  at::Tensor shift_mlp, scale_mlp, gate_mlp;
};

// Image conditioning: frames whose mask is false are modulated as if t were 0.
struct FrameMask {
  at::Tensor mask;    // [B, T] bool; undefined = all true
  at::Tensor t_zero;  // the embedding (or t_block output) of t = 0, same shape as the other
};

class StDiT3Block {
 public:
  StDiT3Block() = default;
  StDiT3Block(ParameterSource* source,
              const std::string& name,
              int64_t hidden_size,
              int64_t num_heads,
              double mlp_ratio,
              bool temporal);

  // `t_mlp` [B, 6 D] from the t_block.
  BlockModulation Modulation(const at::Tensor& t_mlp, const FrameMask& frames = {}) const;
  // LN(x) (1 + scale) + shift: x [B, T, S, D].
  at::Tensor ModulatedInput(const at::Tensor& x, const BlockModulation& modulation) const;
  // x [B, T, S, D], y [B, L, D] -> [B, T, S, D]. `rope` is used by temporal blocks only.
  at::Tensor operator()(const at::Tensor& x,
                        const at::Tensor& y,
                        const BlockModulation& modulation,
                        const RopeTable& rope,
                        AttentionKernel kernel) const;

  // The parts, before their gates, for tests.
  at::Tensor SelfAttention(const at::Tensor& x,
                           const RopeTable& rope,
                           AttentionKernel kernel) const;
  at::Tensor CrossAttention(const at::Tensor& x, const at::Tensor& y, AttentionKernel kernel) const;
  at::Tensor FeedForward(const at::Tensor& x) const { return mlp_(x); }
  at::Tensor NormQuery(const at::Tensor& q) const { return RmsNorm(q, q_norm_); }
  at::Tensor NormKey(const at::Tensor& k) const { return RmsNorm(k, k_norm_); }

 private:
  bool temporal_ = false;
  int64_t num_heads_ = 1;
  at::Tensor scale_shift_table_;  // [6, D]
  Linear qkv_;
  Linear proj_;
  at::Tensor q_norm_;  // [head_dim]
  at::Tensor k_norm_;
  Linear cross_q_;
  Linear cross_kv_;
  Linear cross_proj_;
  Mlp mlp_;
};

// All blocks in order of execution: spatial 0, temporal 0, spatial 1, ...
class StDiT3Blocks {
 public:
  StDiT3Blocks() = default;
  StDiT3Blocks(ParameterSource* source, const StDiT3Config& config);

  // Modulation of every block for one t_mlp [B, 6 D].
  std::vector<BlockModulation> Modulations(const at::Tensor& t_mlp,
                                           const FrameMask& frames = {}) const;
  at::Tensor operator()(at::Tensor x,
                        const at::Tensor& y,
                        const std::vector<BlockModulation>& modulations,
                        const RopeTable& rope,
                        AttentionKernel kernel) const;
  const StDiT3Block& block(size_t i) const { return blocks_[i]; }
  size_t size() const { return blocks_.size(); }

 private:
  std::vector<StDiT3Block> blocks_;
};

// Convolution with kernel = stride = patch: [B, C, T, H, W] -> [B, T', S, D]. Sizes that are not
// multiples of the patch are padded with zeros at the end.
class PatchEmbedding {
 public:
  PatchEmbedding() = default;
  PatchEmbedding(ParameterSource* source, const std::string& name, const StDiT3Config& config);

  at::Tensor operator()(const at::Tensor& latent) const;
  // Tokens of a latent [.., T, H, W]: frames, rows, columns.
  std::array<int64_t, 3> TokenGrid(at::IntArrayRef latent_shape) const;

 private:
  std::array<int64_t, 3> patch_ = {1, 1, 1};
  at::Tensor weight_;  // [D, C, pt, ph, pw]
  at::Tensor bias_;
};

// Shift and scale of the head: [B, 1, 1, D] each; those of t = 0 with a frame mask only.
struct HeadModulation {
  at::Tensor shift, scale;
  at::Tensor frame_mask;  // [B, T] bool or undefined
  at::Tensor shift_zero, scale_zero;
};

// The head: modulated norm, linear, and unpatchify. Frames outside the mask are modulated twice, by
// t and then by t = 0, as the reference does (its second modulation takes the result of the first).
class FinalLayer {
 public:
  FinalLayer() = default;
  FinalLayer(ParameterSource* source, const StDiT3Config& config, Init weight_init);

  HeadModulation Modulation(const at::Tensor& t, const FrameMask& frames = {}) const;  // t [B, D]
  // x [B, T', S, D] -> [B, T', S, patch * C_out], columns ordered (pt, ph, pw, channel).
  at::Tensor operator()(const at::Tensor& x, const HeadModulation& modulation) const;
  // -> [B, C_out, T, H, W], cut to the latent's size.
  at::Tensor Unpatchify(const at::Tensor& x,
                        const std::array<int64_t, 3>& grid,
                        at::IntArrayRef latent_shape) const;

 private:
  std::array<int64_t, 3> patch_ = {1, 1, 1};
  int64_t out_channels_ = 0;
  at::Tensor scale_shift_table_;  // [2, D]
  Linear linear_;
};

// Two linear layers with SiLU over a sinusoidal embedding of 256 numbers.
class ScalarEmbedder {
 public:
  ScalarEmbedder() = default;
  ScalarEmbedder(ParameterSource* source, const std::string& name, int64_t hidden_size);
  // t [B] -> [B, D]; the sinusoids are cast to the weights' dtype.
  at::Tensor operator()(const at::Tensor& t) const;

 private:
  Mlp mlp_;
};

// Open-Sora 1.2's transformer as a whole.
class StDiT3 {
 public:
  StDiT3(ParameterSource* source, const StDiT3Config& config);

  // What a video's conditions come to; depends on neither latent nor timestep.
  struct Condition {
    at::Tensor y;         // [B, L, D]: projected text, masked tokens left out
    at::Tensor fps;       // [1, D]
    at::Tensor position;  // [1, 1, S, D]
  };
  // `text` [B, 1, model_max_length, caption_channels]; `mask` [1, model_max_length] with ones for
  // real tokens, shared by all rows; `latent_shape` of the samples to come; height and width in
  // pixels (numbers as the model's dtype rounds them).
  Condition Prepare(const at::Tensor& text,
                    const at::Tensor& mask,
                    const at::Tensor& fps,
                    double height,
                    double width,
                    at::IntArrayRef latent_shape) const;

  // One call, in the three parts that caching needs.
  struct Call {
    at::Tensor x;       // [B, T, S, D], tokens with position
    at::Tensor t;       // [B, D]
    at::Tensor t_mlp;   // [B, 6 D]
    at::Tensor t_zero;  // as t and t_mlp for t = 0; defined with a frame mask only
    at::Tensor t_mlp_zero;
    at::Tensor frame_mask;  // [B, T] bool or undefined
    std::array<int64_t, 3> grid = {0, 0, 0};
    std::vector<int64_t> latent_shape;
  };
  Call Embed(const at::Tensor& latent,
             const at::Tensor& timestep,
             const Condition& condition,
             const at::Tensor& frame_mask = {}) const;
  // TeaCache's signal: [B, T, S, D], the modulated input of spatial block 0 (the frame mask is
  // ignored).
  at::Tensor ModulatedInput(const Call& call) const;
  at::Tensor Blocks(const Call& call,
                    const Condition& condition,
                    AttentionKernel kernel = AttentionKernel::kFused) const;
  // [B, C_out, T, H, W] float32.
  at::Tensor Head(const at::Tensor& x, const Call& call) const;

  // The learned text of the unconditional branch: [model_max_length, caption_channels].
  const at::Tensor& null_text() const { return null_text_; }
  const StDiT3Config& config() const { return config_; }
  at::ScalarType dtype() const { return rope_freqs_.scalar_type(); }

  // Parts, for tests.
  const PatchEmbedding& patch_embedding() const { return x_embedder_; }
  const StDiT3Blocks& blocks() const { return blocks_; }
  const FinalLayer& final_layer() const { return final_layer_; }
  at::Tensor EmbedTimestep(const at::Tensor& timestep) const { return t_embedder_(timestep); }
  at::Tensor EmbedFps(const at::Tensor& fps) const { return fps_embedder_(fps); }
  RopeTable Rope(int64_t frames) const { return MakeRopeTable(rope_freqs_, frames); }

 private:
  at::Tensor TimeBlock(const at::Tensor& t) const;

  StDiT3Config config_;
  PatchEmbedding x_embedder_;
  ScalarEmbedder t_embedder_;
  ScalarEmbedder fps_embedder_;
  Linear t_block_;
  Mlp y_proj_;
  at::Tensor null_text_;
  at::Tensor rope_freqs_;  // [head_dim / 2]
  at::Tensor position_inv_freq_;
  StDiT3Blocks blocks_;
  FinalLayer final_layer_;
};

// inv_freq of SinCos2d for a hidden size: [D / 4] float32.
at::Tensor PositionInvFreq(int64_t hidden_size);
// 10000^(-2i / head_dim): [head_dim / 2] float32.
at::Tensor RopeFreqs(int64_t head_dim);

}  // namespace teacache
