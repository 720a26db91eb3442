#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/shapes/shapes.h"
#include "runners/models/block_range.h"
#include "runners/models/stdit3.h"
#include "runners/nn/parameters.h"

namespace teacache {

// The embedded model's transformer: STDiT3 blocks over per-frame codes, conditioned on the six
// words of a shapes sentence. The words enter by cross-attention and, averaged, by adaLN beside the
// timestep. It predicts the clean codes x0; the velocity of rectified flow follows from
// v = (x0 - z) / max(t, 0.05), for z = (1 - t) x0 + t noise.
struct ShapesTransformerConfig {
  int64_t depth = 4;
  int64_t hidden_size = 160;
  int64_t num_heads = 5;
  int64_t patch_frames = 2;  // frames per token
  int64_t channels = 4;      // a frame's code is [channels, side, side]
  int64_t side = 2;
  int64_t word_channels = 64;  // of the word embedding

  StDiT3Config Blocks() const;
  // Latent of one video, without batch: [channels, frames, side, side].
  std::vector<int64_t> LatentShape() const { return {channels, kShapesFrames, side, side}; }
};

class ShapesTransformer {
 public:
  ShapesTransformer(ParameterSource* source, const ShapesTransformerConfig& config);

  // The words of the unconditional branch.
  static constexpr int64_t kNullWord = -1;

  struct Condition {
    at::Tensor y;       // [B, 6, D]
    at::Tensor pooled;  // [B, D]
  };
  // `words` [B, 6] int64: numbers in the vocabulary, or kNullWord in the whole row.
  Condition Prepare(const at::Tensor& words) const;

  // What depends on the timestep but not on the latent.
  struct Timing {
    at::Tensor t;  // [B], in [0, 1]
    std::vector<BlockModulation> blocks;
    HeadModulation head;
  };
  Timing AtTime(const at::Tensor& t, const Condition& condition) const;

  // z [B, C, T, side, side] -> tokens [B, T', S, D].
  at::Tensor Embed(const at::Tensor& z) const;
  // TeaCache's signal.
  at::Tensor ModulatedInput(const at::Tensor& x, const Timing& timing) const;
  at::Tensor Blocks(const at::Tensor& x,
                    const Condition& condition,
                    const Timing& timing,
                    AttentionKernel kernel = AttentionKernel::kFused,
                    BlockRange range = {}) const;
  // Tokens -> x0 [B, C, T, side, side] -> velocity.
  at::Tensor Head(const at::Tensor& x, const at::Tensor& z, const Timing& timing) const;

  // All of the above: the velocity at (z, t).
  at::Tensor operator()(const at::Tensor& z,
                        const at::Tensor& t,
                        const at::Tensor& words,
                        AttentionKernel kernel = AttentionKernel::kFused) const;

  const ShapesTransformerConfig& config() const { return config_; }
  at::Device device() const { return words_.device(); }

 private:
  ShapesTransformerConfig config_;
  at::Tensor words_;      // [vocabulary, word_channels]
  at::Tensor null_text_;  // [6, word_channels]
  Mlp y_proj_;
  Mlp pooled_proj_;
  PatchEmbedding x_embedder_;
  ScalarEmbedder t_embedder_;
  Linear t_block_;
  StDiT3Blocks blocks_;
  FinalLayer final_layer_;
  at::Tensor position_;           // [1, 1, S, D]
  at::Tensor temporal_position_;  // [T', 1, D]
  RopeTable rope_;
};

// The vocabulary numbers of a prompt's six words: [6] int64.
at::Tensor ShapesWordIds(const ShapesPrompt& prompt);

}  // namespace teacache
