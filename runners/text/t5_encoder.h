#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runners/nn/checkpoint.h"
#include "runners/nn/parameters.h"

namespace teacache {

// T5 v1.1's encoder (Raffel et al., arXiv 1910.10683, with gated GELU; reference: transformers'
// T5EncoderModel). Keys and config fields are those of its checkpoints.
//
// Letters: B batch, N tokens, D d_model.

struct T5Config {
  int64_t vocab_size = 32128;
  int64_t d_model = 4096;
  int64_t d_kv = 64;  // per head
  int64_t d_ff = 10240;
  int64_t num_layers = 24;
  int64_t num_heads = 64;
  int64_t relative_attention_num_buckets = 32;
  int64_t relative_attention_max_distance = 128;
  double layer_norm_epsilon = 1e-6;
};

// From a config.json. Throws UserError for other activations than gated GELU (T5 before 1.1).
T5Config ParseT5Config(const nlohmann::json& config, const std::string& where);

class T5Encoder {
 public:
  T5Encoder(ParameterSource* source, const T5Config& config);

  // ids [B, N] int64; mask [B, N] int64, 1 = real token: others are not attended to, but their rows
  // are computed all the same. -> [B, N, D] in the weights' dtype.
  at::Tensor operator()(const at::Tensor& ids, const at::Tensor& mask) const;

  // The parts, for tests. Residual stream after every block, then the result.
  std::vector<at::Tensor> Trace(const at::Tensor& ids, const at::Tensor& mask) const;
  at::Tensor PositionBias(int64_t n) const;  // [1, heads, N, N]

  const T5Config& config() const { return config_; }

 private:
  struct Block {
    at::Tensor attention_norm;
    at::Tensor q, k, v, o;  // [heads d_kv, D], o [D, heads d_kv]
    at::Tensor ff_norm;
    at::Tensor wi_0, wi_1, wo;
  };
  at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor Attention(const Block& block, const at::Tensor& x, const at::Tensor& bias) const;

  T5Config config_;
  at::Tensor embedding_;  // [vocabulary, D]
  at::Tensor position_;   // [buckets, heads]
  std::vector<Block> blocks_;
  at::Tensor final_norm_;
};

// Bucket of every distance key - query in [-(n - 1), n - 1] (T5's bidirectional rule): half of the
// buckets for each direction, exact up to a quarter of them, logarithmic up to max_distance.
at::Tensor T5RelativeBuckets(const at::Tensor& distances, int64_t buckets, int64_t max_distance);

// Prepares a source for T5Encoder: the embedding may be called shared.weight or
// encoder.embed_tokens.weight (or both), a decoder is ignored, and in float16 the second
// feed-forward matrices stay in float32, since activations overflow there (as in transformers).
void AdaptT5Source(CheckpointParameters* source);

}  // namespace teacache
