#include "runners/nn/layers.h"

#include <ATen/Functions.h>

#include <cmath>

namespace teacache {

at::Tensor Linear::operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

Linear MakeLinear(
    ParameterSource* source, const std::string& name, int64_t in, int64_t out, Init weight_init) {
  return {source->Get(name + ".weight", {out, in}, weight_init),
          source->Get(name + ".bias", {out}, Init::kZeros)};
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  const int64_t padding = weight.size(2) / 2;
  return at::conv2d(x, weight, bias, {stride, stride}, {padding, padding});
}

Conv2d MakeConv2d(ParameterSource* source,
                  const std::string& name,
                  int64_t in,
                  int64_t out,
                  int64_t kernel,
                  int64_t stride,
                  Init weight_init) {
  return {source->Get(name + ".weight", {out, in, kernel, kernel}, weight_init),
          source->Get(name + ".bias", {out}, Init::kZeros),
          stride};
}

at::Tensor Mlp::operator()(const at::Tensor& x) const {
  const at::Tensor hidden = fc1(x);
  return fc2(activation == Activation::kSilu ? at::silu(hidden) : at::gelu(hidden, "tanh"));
}

at::Tensor LayerNorm(const at::Tensor& x, double eps) {
  return at::layer_norm(x, {x.size(-1)}, /*weight=*/{}, /*bias=*/{}, eps);
}

at::Tensor Modulate(const at::Tensor& x,
                    const at::Tensor& shift,
                    const at::Tensor& scale,
                    double eps) {
  return LayerNorm(x, eps) * (scale + 1) + shift;
}

std::vector<at::Tensor> AdaLnSingle(const at::Tensor& table, const at::Tensor& t) {
  const at::Tensor rows = table.unsqueeze(0) + t.view({t.size(0), -1, table.size(1)});
  std::vector<at::Tensor> parts;
  for (int64_t i = 0; i < table.size(0); ++i) {
    parts.push_back(rows.select(1, i).unsqueeze(1).unsqueeze(1));
  }
  return parts;
}

at::Tensor SplitHeads(const at::Tensor& x, int64_t heads) {
  return x.unflatten(-1, {heads, -1}).transpose(1, 2);
}

at::Tensor MergeHeads(const at::Tensor& x) { return x.transpose(1, 2).flatten(2); }

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  return weight * (wide * scale).to(x.scalar_type());
}

at::Tensor Attention(const at::Tensor& q,
                     const at::Tensor& k,
                     const at::Tensor& v,
                     AttentionKernel kernel) {
  if (kernel == AttentionKernel::kFused) return at::scaled_dot_product_attention(q, k, v);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::matmul(at::softmax(at::matmul(q * scale, k.transpose(-1, -2)), -1), v);
}

RopeTable MakeRopeTable(const at::Tensor& freqs, int64_t n) {
  const at::Tensor positions = at::arange(n, freqs.options());
  const at::Tensor angles =
      (positions.unsqueeze(1) * freqs.unsqueeze(0)).to(at::kFloat).repeat_interleave(2, -1);
  return {angles.cos(), angles.sin()};
}

at::Tensor ApplyRope(const at::Tensor& x, const RopeTable& table) {
  const at::Tensor pairs = x.unflatten(-1, {-1, 2});
  const at::Tensor rotated = at::stack({-pairs.select(-1, 1), pairs.select(-1, 0)}, -1).flatten(-2);
  return (x * table.cos + rotated * table.sin).to(x.scalar_type());
}

at::Tensor TimestepEmbedding(const at::Tensor& t, int64_t dim) {
  const at::Tensor exponents = at::arange(dim / 2, t.options().dtype(at::kFloat));
  const at::Tensor freqs = at::exp(exponents * (-std::log(10000.0) / static_cast<double>(dim / 2)));
  const at::Tensor angles = t.to(at::kFloat).unsqueeze(1) * freqs.unsqueeze(0);
  return at::cat({angles.cos(), angles.sin()}, 1);
}

at::Tensor SinCos2d(
    const at::Tensor& inv_freq, int64_t height, int64_t width, double scale, double base_size) {
  // In float32 whatever the dtype of the frequencies, whose rounding the big models keep.
  const at::Tensor freqs = inv_freq.to(at::kFloat);
  const auto axis = [&](int64_t side) {
    at::Tensor positions = at::arange(side, freqs.options()) / scale;
    positions = positions * (base_size / static_cast<double>(side));
    const at::Tensor angles = positions.unsqueeze(1) * freqs.unsqueeze(0);
    return at::cat({angles.sin(), angles.cos()}, 1);
  };
  const int64_t half = 2 * inv_freq.size(0);
  const at::Tensor columns = axis(width).unsqueeze(0).expand({height, width, half});
  const at::Tensor rows = axis(height).unsqueeze(1).expand({height, width, half});
  return at::cat({columns, rows}, -1).reshape({1, height * width, 2 * half});
}

}  // namespace teacache
