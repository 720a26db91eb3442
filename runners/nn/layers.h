#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "runners/nn/parameters.h"

namespace teacache {

// Building blocks of the transformers and autoencoders, written functionally over ATen: each layer
// is a value that holds its tensors, and works in training (autograd) and in inference alike.

struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]

  at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]
};
Linear MakeLinear(ParameterSource* source,
                  const std::string& name,
                  int64_t in,
                  int64_t out,
                  Init weight_init = Init::kXavierUniform);

struct Conv2d {
  at::Tensor weight;  // [out, in, k, k]
  at::Tensor bias;    // [out]
  int64_t stride = 1;

  at::Tensor operator()(const at::Tensor& x) const;  // padding k / 2
};
Conv2d MakeConv2d(ParameterSource* source,
                  const std::string& name,
                  int64_t in,
                  int64_t out,
                  int64_t kernel,
                  int64_t stride = 1,
                  Init weight_init = Init::kXavierUniform);

// Two linear layers with an activation between: names are `name` + the given suffixes.
enum class Activation { kSilu, kGeluTanh };
struct Mlp {
  Linear fc1;
  Linear fc2;
  Activation activation = Activation::kGeluTanh;

  at::Tensor operator()(const at::Tensor& x) const;
};

// Layer normalisation over the last dimension without affine parameters.
at::Tensor LayerNorm(const at::Tensor& x, double eps = 1e-6);
// LayerNorm(x) * (1 + scale) + shift, broadcast.
at::Tensor Modulate(const at::Tensor& x,
                    const at::Tensor& shift,
                    const at::Tensor& scale,
                    double eps = 1e-6);
// adaLN-single (PixArt-alpha, arXiv 2310.00426): the k rows of a learned table [k, D] plus what the
// timestep adds to them, t [B, k D], or [B, D] for all alike -> k tensors [B, 1, 1, D], which
// broadcast over frames and tokens.
std::vector<at::Tensor> AdaLnSingle(const at::Tensor& table, const at::Tensor& t);
// Root-mean-square normalisation over the last dimension, computed in float32 as LLaMA's RMSNorm.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps = 1e-6);

// [B, N, heads * head_dim] <-> [B, heads, N, head_dim].
at::Tensor SplitHeads(const at::Tensor& x, int64_t heads);
at::Tensor MergeHeads(const at::Tensor& x);

enum class AttentionKernel {
  kFused,  // scaled_dot_product_attention: for inference
  kPlain,  // softmax(q k^T / sqrt(d)) v by plain operators: the fused kernel's backward pass is
           // slow on the CPU for the short sequences of the embedded model
};
// q, k, v: [B, heads, N, head_dim] -> [B, heads, N, head_dim].
at::Tensor Attention(const at::Tensor& q,
                     const at::Tensor& k,
                     const at::Tensor& v,
                     AttentionKernel kernel);

// Rotary position embedding on interleaved pairs (RoFormer, arXiv 2104.09864).
struct RopeTable {
  at::Tensor cos;  // [N, head_dim] float32
  at::Tensor sin;  // [N, head_dim] float32
};
// Angles position * freqs[i] for positions 0 ... n - 1; freqs: [head_dim / 2].
RopeTable MakeRopeTable(const at::Tensor& freqs, int64_t n);
// x: [B, heads, N, head_dim]; computed in float32, returned in x's dtype.
at::Tensor ApplyRope(const at::Tensor& x, const RopeTable& table);

// [cos(t f), sin(t f)], f_i = exp(-ln(10000) i / (dim / 2)): t [B] -> [B, dim] float32.
at::Tensor TimestepEmbedding(const at::Tensor& t, int64_t dim);

// Sine/cosine table [1, height * width, dim] of a grid (width fastest): the first half of `dim` is
// from the column, the second from the row, each [sin | cos] of position * inv_freq. Positions are
// index / scale, stretched by base_size / side. The result is float32.
at::Tensor SinCos2d(
    const at::Tensor& inv_freq, int64_t height, int64_t width, double scale, double base_size);

}  // namespace teacache
