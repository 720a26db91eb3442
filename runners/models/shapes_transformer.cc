#include "runners/models/shapes_transformer.h"

#include <ATen/Functions.h>

#include <array>

namespace teacache {
namespace {

constexpr double kTimesteps = 1000;  // scale of the timestep embedding, as in the big models
constexpr double kSmallestT = 0.05;  // keeps v finite near t = 0

}  // namespace

StDiT3Config ShapesTransformerConfig::Blocks() const {
  StDiT3Config config;
  config.depth = depth;
  config.hidden_size = hidden_size;
  config.num_heads = num_heads;
  config.patch_size = {patch_frames, 1, 1};
  config.in_channels = channels;
  config.pred_sigma = false;
  return config;
}

ShapesTransformer::ShapesTransformer(ParameterSource* source, const ShapesTransformerConfig& config)
    : config_(config) {
  const int64_t d = config.hidden_size;
  const StDiT3Config blocks = config.Blocks();
  words_ =
      source->Get("words.weight", {ShapesVocabularySize(), config.word_channels}, Init::kNormal);
  null_text_ =
      source->Get("y_embedder.y_embedding", {kShapesSlots, config.word_channels}, Init::kNormal);
  y_proj_ = {MakeLinear(source, "y_embedder.y_proj.fc1", config.word_channels, d),
             MakeLinear(source, "y_embedder.y_proj.fc2", d, d),
             Activation::kGeluTanh};
  pooled_proj_ = {MakeLinear(source, "pooled_embedder.mlp.0", d, d),
                  MakeLinear(source, "pooled_embedder.mlp.2", d, d, Init::kZeros),
                  Activation::kSilu};
  x_embedder_ = PatchEmbedding(source, "x_embedder.proj", blocks);
  t_embedder_ = ScalarEmbedder(source, "t_embedder", d);
  t_block_ = MakeLinear(source, "t_block.1", d, 6 * d);
  blocks_ = StDiT3Blocks(source, blocks);
  final_layer_ = FinalLayer(source, blocks, Init::kZeros);
  // RoPE tells times apart but not which end is the start: left from right needs a position.
  temporal_position_ = source->Get(
      "temporal_position", {kShapesFrames / config.patch_frames, 1, d}, Init::kNormal, 0.3);
  const auto options = words_.options().requires_grad(false);
  position_ = SinCos2d(PositionInvFreq(d),
                       config.side,
                       config.side,
                       /*scale=*/1.0,
                       static_cast<double>(config.side))
                  .unsqueeze(0)
                  .to(options);
  rope_ = MakeRopeTable(RopeFreqs(d / config.num_heads), kShapesFrames / config.patch_frames);
  rope_ = {rope_.cos.to(options.device()), rope_.sin.to(options.device())};
}

ShapesTransformer::Condition ShapesTransformer::Prepare(const at::Tensor& words) const {
  const at::Tensor known = at::embedding(words_, words.clamp_min(0));
  const at::Tensor text =
      at::where(words.unsqueeze(-1) == kNullWord, null_text_.unsqueeze(0), known);
  Condition condition;
  condition.y = y_proj_(text);
  condition.pooled = pooled_proj_(condition.y.mean(1));
  return condition;
}

ShapesTransformer::Timing ShapesTransformer::AtTime(const at::Tensor& t,
                                                    const Condition& condition) const {
  const at::Tensor embedding = t_embedder_(t * kTimesteps) + condition.pooled;
  Timing timing;
  timing.t = t;
  timing.blocks = blocks_.Modulations(t_block_(at::silu(embedding)));
  timing.head = final_layer_.Modulation(embedding);
  return timing;
}

at::Tensor ShapesTransformer::Embed(const at::Tensor& z) const {
  return x_embedder_(z.to(words_.scalar_type())) + position_ + temporal_position_;
}

at::Tensor ShapesTransformer::ModulatedInput(const at::Tensor& x, const Timing& timing) const {
  return blocks_.block(0).ModulatedInput(x, timing.blocks[0]);
}

at::Tensor ShapesTransformer::Blocks(const at::Tensor& x,
                                     const Condition& condition,
                                     const Timing& timing,
                                     AttentionKernel kernel,
                                     BlockRange range) const {
  at::Tensor out = x;
  for (size_t i = range.begin; i < std::min(range.end, blocks_.size()); ++i) {
    out = blocks_.block(i)(out, condition.y, timing.blocks[i], rope_, kernel);
  }
  return out;
}

at::Tensor ShapesTransformer::Head(const at::Tensor& x,
                                   const at::Tensor& z,
                                   const Timing& timing) const {
  const std::array<int64_t, 3> grid = x_embedder_.TokenGrid(z.sizes());
  const at::Tensor tokens = final_layer_(x, timing.head).to(at::kFloat);
  const at::Tensor x0 = final_layer_.Unpatchify(tokens, grid, z.sizes());
  return (x0 - z) / timing.t.clamp_min(kSmallestT).view({-1, 1, 1, 1, 1});
}

at::Tensor ShapesTransformer::operator()(const at::Tensor& z,
                                         const at::Tensor& t,
                                         const at::Tensor& words,
                                         AttentionKernel kernel) const {
  const Condition condition = Prepare(words);
  const Timing timing = AtTime(t, condition);
  return Head(Blocks(Embed(z), condition, timing, kernel), z, timing);
}

at::Tensor ShapesWordIds(const ShapesPrompt& prompt) {
  const std::array<int, kShapesSlots> slots = prompt.slots();
  at::Tensor ids = at::empty({kShapesSlots}, at::kLong);
  auto* values = ids.data_ptr<int64_t>();
  for (int i = 0; i < kShapesSlots; ++i) values[i] = ShapesWordOffset(i) + slots[i];
  return ids;
}

}  // namespace teacache
