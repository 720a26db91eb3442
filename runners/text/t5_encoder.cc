#include "runners/text/t5_encoder.h"

#include <ATen/Functions.h>

#include <cmath>
#include <limits>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

constexpr const char* kEmbedding = "shared.weight";
constexpr const char* kEncoderEmbedding = "encoder.embed_tokens.weight";

at::Tensor MatMul(const at::Tensor& x, const at::Tensor& weight) { return at::linear(x, weight); }

// The most negative number of the dtype, added to the scores of masked keys.
double Lowest(at::ScalarType dtype) {
  switch (dtype) {
    case at::kHalf:
      return -65504.0;
    case at::kBFloat16:
      return -3.3895313892515355e38;
    default:
      return std::numeric_limits<float>::lowest();
  }
}

// As transformers: float16 activations that became infinite are cut to a large finite number.
at::Tensor CutInfinities(const at::Tensor& x) {
  if (x.scalar_type() != at::kHalf) return x;
  const double limit = x.isinf().any().item<bool>() ? 65504.0 - 1000 : 65504.0;
  return x.clamp(-limit, limit);
}

int64_t PositiveField(const JsonFields& fields, const char* name, int64_t fallback) {
  const int64_t value = fields.Integer(name, fallback);
  if (value < 1) ThrowUserError(fields.where(), "{} must be at least 1 but is {}", name, value);
  return value;
}

}  // namespace

T5Config ParseT5Config(const nlohmann::json& config, const std::string& where) {
  const JsonFields fields(config, where);
  const std::string activation = fields.String("feed_forward_proj", "relu");
  if (activation != "gated-gelu") {
    ThrowUserError(
        where, "must be a T5 v1.1 encoder (feed_forward_proj gated-gelu) but has '{}'", activation);
  }
  T5Config parsed;
  parsed.vocab_size = PositiveField(fields, "vocab_size", parsed.vocab_size);
  parsed.d_model = PositiveField(fields, "d_model", parsed.d_model);
  parsed.d_kv = PositiveField(fields, "d_kv", parsed.d_kv);
  parsed.d_ff = PositiveField(fields, "d_ff", parsed.d_ff);
  parsed.num_layers = PositiveField(fields, "num_layers", parsed.num_layers);
  parsed.num_heads = PositiveField(fields, "num_heads", parsed.num_heads);
  parsed.relative_attention_num_buckets =
      PositiveField(fields, "relative_attention_num_buckets", 32);
  parsed.relative_attention_max_distance =
      PositiveField(fields, "relative_attention_max_distance", 128);
  parsed.layer_norm_epsilon = fields.Number("layer_norm_epsilon", parsed.layer_norm_epsilon);
  return parsed;
}

T5Encoder::T5Encoder(ParameterSource* source, const T5Config& config) : config_(config) {
  const int64_t d = config.d_model;
  const int64_t inner = config.num_heads * config.d_kv;
  embedding_ = source->Get(kEmbedding, {config.vocab_size, d}, Init::kNormal);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string layer = fmt::format("encoder.block.{}.layer.", i);
    const std::string attention = layer + "0.SelfAttention.";
    const std::string ff = layer + "1.DenseReluDense.";
    if (i == 0) {
      position_ = source->Get(attention + "relative_attention_bias.weight",
                              {config.relative_attention_num_buckets, config.num_heads});
    }
    Block block;
    block.attention_norm = source->Get(layer + "0.layer_norm.weight", {d}, Init::kOnes);
    block.q = source->Get(attention + "q.weight", {inner, d});
    block.k = source->Get(attention + "k.weight", {inner, d});
    block.v = source->Get(attention + "v.weight", {inner, d});
    block.o = source->Get(attention + "o.weight", {d, inner});
    block.ff_norm = source->Get(layer + "1.layer_norm.weight", {d}, Init::kOnes);
    block.wi_0 = source->Get(ff + "wi_0.weight", {config.d_ff, d});
    block.wi_1 = source->Get(ff + "wi_1.weight", {config.d_ff, d});
    block.wo = source->Get(ff + "wo.weight", {d, config.d_ff});
    blocks_.push_back(std::move(block));
  }
  final_norm_ = source->Get("encoder.final_layer_norm.weight", {d}, Init::kOnes);
}

at::Tensor T5Encoder::Norm(const at::Tensor& x, const at::Tensor& weight) const {
  const at::Tensor variance = x.to(at::kFloat).square().mean(-1, /*keepdim=*/true);
  const at::Tensor normed = x * at::rsqrt(variance + config_.layer_norm_epsilon);
  return weight * normed.to(weight.scalar_type());
}

at::Tensor T5Encoder::PositionBias(int64_t n) const {
  const at::Tensor place = at::arange(n, at::TensorOptions(at::kLong).device(position_.device()));
  const at::Tensor buckets = T5RelativeBuckets(place.unsqueeze(0) - place.unsqueeze(1),
                                               config_.relative_attention_num_buckets,
                                               config_.relative_attention_max_distance);
  return at::embedding(position_, buckets).permute({2, 0, 1}).unsqueeze(0);
}

at::Tensor T5Encoder::Attention(const Block& block,
                                const at::Tensor& x,
                                const at::Tensor& bias) const {
  const auto heads = [&](const at::Tensor& weight) {
    return MatMul(x, weight)
        .view({x.size(0), x.size(1), config_.num_heads, config_.d_kv})
        .transpose(1, 2);
  };
  // T5 does not divide by the root of the head's size.
  const at::Tensor scores = at::matmul(heads(block.q), heads(block.k).transpose(-1, -2)) + bias;
  const at::Tensor weights = at::softmax(scores.to(at::kFloat), -1).to(scores.scalar_type());
  const at::Tensor mixed = at::matmul(weights, heads(block.v)).transpose(1, 2).flatten(2);
  return MatMul(mixed, block.o);
}

std::vector<at::Tensor> T5Encoder::Trace(const at::Tensor& ids, const at::Tensor& mask) const {
  std::vector<at::Tensor> trace;
  at::Tensor x = at::embedding(embedding_, ids);
  const at::Tensor masked =
      (1.0 - mask.to(embedding_.scalar_type())) * Lowest(embedding_.scalar_type());
  const at::Tensor bias = PositionBias(ids.size(1)) + masked.unsqueeze(1).unsqueeze(1);
  for (const Block& block : blocks_) {
    x = CutInfinities(x + Attention(block, Norm(x, block.attention_norm), bias));
    const at::Tensor y = Norm(x, block.ff_norm);
    const at::Tensor gated = at::gelu(MatMul(y, block.wi_0), "tanh") * MatMul(y, block.wi_1);
    x = CutInfinities(x + MatMul(gated.to(block.wo.scalar_type()), block.wo));
    trace.push_back(x);
  }
  trace.push_back(Norm(x, final_norm_));
  return trace;
}

at::Tensor T5Encoder::operator()(const at::Tensor& ids, const at::Tensor& mask) const {
  return Trace(ids, mask).back();
}

at::Tensor T5RelativeBuckets(const at::Tensor& distances, int64_t buckets, int64_t max_distance) {
  const int64_t half = buckets / 2;  // of each direction
  const int64_t exact = half / 2;
  const at::Tensor size = distances.abs();
  const double log_range = std::log(static_cast<double>(max_distance) / static_cast<double>(exact));
  const at::Tensor coarse =
      exact + (at::log(size.to(at::kFloat) / exact) / log_range * (half - exact)).to(at::kLong);
  const at::Tensor bucket = at::where(size < exact, size, coarse.clamp_max(half - 1));
  return bucket + (distances > 0).to(at::kLong) * half;
}

void AdaptT5Source(CheckpointParameters* source) {
  if (!source->Has(kEmbedding) && source->Has(kEncoderEmbedding)) {
    source->Rename([](const std::string& name) -> std::string {
      return name == kEncoderEmbedding ? kEmbedding : name;
    });
  }
  source->Ignore(kEncoderEmbedding);
  source->Ignore("lm_head.weight");
  source->IgnorePrefix("decoder.");
  if (source->dtype() == at::kHalf) source->KeepFloat32(".wo.weight");
}

}  // namespace teacache
