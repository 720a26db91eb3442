// STDiT3 against the reference classes of Open-Sora 1.2 (golden kind "stdit3").

#include <gtest/gtest.h>

#include "datasets/base/error.h"
#include "runners/models/stdit3.h"
#include "tests/runners/models/golden_model.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

// Tokens [B, T, S, D] as the golden files store them: [B, T S, D].
at::Tensor Flat(const at::Tensor& x) { return x.flatten(1, 2); }

struct Inputs {
  at::Tensor x, timestep, y, mask, fps, frame_mask;
  double height, width;
};
Inputs CaseInputs(const GoldenTensors& tensors, const std::string& name, at::ScalarType dtype) {
  const auto in = [&](const std::string& key) { return tensors.In(name + "." + key); };
  Inputs inputs{in("x"), in("timestep"), in("y"), in("mask"), in("fps"), {}, 0, 0};
  inputs.height = in("height").to(dtype).item<double>();
  inputs.width = in("width").to(dtype).item<double>();
  if (tensors.Has("in." + name + ".x_mask")) inputs.frame_mask = in("x_mask");
  return inputs;
}

// Texts of both rows, each with its own tokens, behind each other as the reference packs them.
at::Tensor Packed(const at::Tensor& y) { return y.flatten(0, 1).unsqueeze(0); }

TEST(StDiT3, MatchesReferenceInEveryPart) {
  for (const GoldenCase& golden : FindGoldenCases("stdit3")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const StDiT3 model = LoadStDiT3(tensors, golden);
    const auto& tolerance = golden.json.at("recommended_tolerance");
    const double parts = tolerance.at("intermediates_rel_to_max");
    const double whole = tolerance.at("final_rel_to_max");
    for (const std::string name : golden.json.at("cases")) {
      SCOPED_TRACE(name);
      const Inputs in = CaseInputs(tensors, name, at::kFloat);
      const auto out = [&](const std::string& key) { return tensors.Out(name + "." + key); };
      const auto condition =
          model.Prepare(in.y, in.mask, in.fps, in.height, in.width, in.x.sizes());
      const auto call = model.Embed(in.x, in.timestep, condition, in.frame_mask);

      // With a frame mask the reference's hook saw the embedding of t = 0 last.
      const at::Tensor told = in.frame_mask.defined() ? at::zeros_like(in.timestep) : in.timestep;
      EXPECT_TRUE(TensorsNear(model.EmbedTimestep(told),
                              out("t_embedder"),
                              0,
                              tolerance.at("t_embedder_abs").get<double>()));
      EXPECT_TRUE(TensorsNearRel(
          model.EmbedFps(in.fps).expand_as(out("fps_embedder")), out("fps_embedder"), parts));
      EXPECT_TRUE(TensorsNearRel(condition.position.squeeze(0), out("pos_emb"), parts));
      EXPECT_TRUE(TensorsNearRel(Packed(condition.y), out("y_packed"), parts));
      EXPECT_TRUE(TensorsNearRel(call.t_mlp, out("t_mlp"), 2e-5));
      EXPECT_TRUE(TensorsNearRel(Flat(model.patch_embedding()(in.x)), out("x_embedder"), parts));
      EXPECT_TRUE(TensorsNearRel(Flat(call.x), out("x_embed_pos"), parts));
      EXPECT_TRUE(TensorsNearRel(Flat(model.ModulatedInput(call)), out("modulated_input"), 2e-5));

      // Block by block.
      const FrameMask frames{call.frame_mask, call.t_mlp_zero};
      const RopeTable rope = model.Rope(call.grid[0]);
      at::Tensor x = call.x;
      for (size_t i = 0; i < model.blocks().size(); ++i) {
        const StDiT3Block& block = model.blocks().block(i);
        const std::string block_name =
            (i % 2 == 0 ? "spatial_blocks." : "temporal_blocks.") + std::to_string(i / 2);
        SCOPED_TRACE(block_name);
        const BlockModulation modulation = block.Modulation(call.t_mlp, frames);
        if (i < 2) {
          const at::Tensor attn = block.SelfAttention(
              block.ModulatedInput(x, modulation), rope, AttentionKernel::kFused);
          const at::Tensor rows = i == 0 ? attn : attn.transpose(1, 2);
          EXPECT_TRUE(TensorsNearRel(rows.flatten(0, 1), out(block_name + ".attn"), 2e-5));
        }
        const at::Tensor plain = block(x, condition.y, modulation, rope, AttentionKernel::kPlain);
        x = block(x, condition.y, modulation, rope, AttentionKernel::kFused);
        EXPECT_TRUE(TensorsNearRel(Flat(x), out(block_name), 2e-5));
        EXPECT_TRUE(TensorsNearRel(plain, x, 2e-6)) << "plain against fused attention";
      }
      EXPECT_TRUE(TensorsNearRel(Flat(x - call.x), out("teacache_residual"), whole));
      EXPECT_TRUE(TensorsNearRel(model.Blocks(call, condition), x, 0)) << "blocks at once";
      EXPECT_TRUE(TensorsNearRel(model.Head(x, call), out("final"), whole));
    }
  }
}

// Small activations, where a wrong epsilon changes the result by 10 % and more.
TEST(StDiT3, SmallActivationsShowTheEpsilons) {
  for (const GoldenCase& golden : FindGoldenCases("stdit3")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const StDiT3 model = LoadStDiT3(tensors, golden);
    const double tolerance = golden.json.at("recommended_tolerance").at("small_rel_to_max");
    const at::Tensor packed = tensors.In("small.x");  // [1, T S, D], T = 2
    const at::Tensor x = packed.unflatten(1, {2, -1});
    const at::Tensor y = tensors.In("small.y");
    for (size_t i = 0; i < 2; ++i) {
      const StDiT3Block& block = model.blocks().block(i);
      const at::Tensor out = block(x,
                                   y,
                                   block.Modulation(tensors.In("small.t_mlp")),
                                   model.Rope(2),
                                   AttentionKernel::kFused);
      EXPECT_TRUE(
          TensorsNearRel(Flat(out),
                         tensors.Out(i == 0 ? "small.spatial_block0" : "small.temporal_block0"),
                         tolerance));
    }
    EXPECT_TRUE(TensorsNearRel(LayerNorm(packed), tensors.Out("small.norm1"), tolerance));
    const FinalLayer& head = model.final_layer();
    EXPECT_TRUE(TensorsNearRel(Flat(head(x, head.Modulation(tensors.In("small.t")))),
                               tensors.Out("small.final_layer"),
                               tolerance));
    const at::Tensor q = tensors.In("small.q");
    EXPECT_TRUE(TensorsNearRel(
        model.blocks().block(0).NormQuery(q), tensors.Out("small.q_norm"), tolerance));
    EXPECT_TRUE(
        TensorsNearRel(model.blocks().block(1).NormKey(q), tensors.Out("small.k_norm"), tolerance));
  }
}

TEST(StDiT3, RopeRotatesInterleavedPairs) {
  for (const GoldenCase& golden : FindGoldenCases("stdit3")) {
    const GoldenTensors tensors(golden);
    const StDiT3 model = LoadStDiT3(tensors, golden);
    const at::Tensor q = tensors.In("rope.q");
    EXPECT_TRUE(
        TensorsNearRel(ApplyRope(q, model.Rope(q.size(2))), tensors.Out("rope.rotated"), 1e-6));
  }
}

TEST(StDiT3, Bfloat16StaysClose) {
  for (const GoldenCase& golden : FindGoldenCases("stdit3")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const StDiT3 model = LoadStDiT3(tensors, golden, at::kBFloat16);
    const double tolerance = golden.json.at("recommended_tolerance").at("bf16_final_rel_to_max");
    for (const auto& item : golden.json.at("bf16").items()) {
      const std::string& name = item.key();
      SCOPED_TRACE(name);
      const Inputs in = CaseInputs(tensors, name, at::kBFloat16);
      const auto condition =
          model.Prepare(in.y, in.mask, in.fps, in.height, in.width, in.x.sizes());
      const auto call = model.Embed(in.x, in.timestep, condition);
      EXPECT_TRUE(TensorsNearRel(condition.position.squeeze(0).to(at::kFloat),
                                 tensors.Out("bf16." + name + ".pos_emb"),
                                 1e-2));
      const at::Tensor final = model.Head(model.Blocks(call, condition), call);
      EXPECT_TRUE(TensorsNearRel(final, tensors.Out("bf16." + name + ".final"), tolerance));
    }
  }
}

// The reference needs heads of even size and a hidden size of four parts, nothing more.
TEST(StDiT3, TakesHeadsOfEvenSize) {
  const auto parse = [](int64_t hidden_size, int64_t heads) {
    const nlohmann::json json = {{"depth", 1},
                                 {"hidden_size", hidden_size},
                                 {"num_heads", heads},
                                 {"caption_channels", 8},
                                 {"model_max_length", 3}};
    return StDiT3Config::FromJson({json, "config"});
  };
  for (const auto& [hidden_size, heads] : {std::pair{60, 4}, {54, 4}, {54, 9}, {42, 3}}) {
    EXPECT_THROW(parse(hidden_size, heads), UserError) << hidden_size;
  }
  RandomParameters source(1);
  const StDiT3 model(&source, parse(56, 4));
  const at::Tensor latent = at::linspace(-1, 1, 4 * 2 * 4 * 4).view({1, 4, 2, 4, 4});
  const auto condition = model.Prepare(
      at::ones({1, 1, 3, 8}), at::ones({1, 3}), at::full({1}, 24), 32, 32, latent.sizes());
  const auto call = model.Embed(latent, at::full({1}, 500), condition, {});
  const at::Tensor out = model.Head(model.Blocks(call, condition), call);
  EXPECT_EQ(out.sizes(), at::IntArrayRef({1, 8, 2, 4, 4}));
  EXPECT_TRUE(at::isfinite(out).all().item<bool>());
}

TEST(StDiT3, NamesEveryTensorThatDoesNotFit) {
  const std::vector<GoldenCase> cases = FindGoldenCases("stdit3");
  ASSERT_FALSE(cases.empty());
  const GoldenTensors tensors(cases.front());
  TensorMap weights = tensors.Weights();
  weights.erase("t_block.1.bias");
  weights["final_layer.linear.bias"] = at::zeros({3});
  weights["surplus"] = at::zeros({1});
  CheckpointParameters source(weights, "checkpoint", at::kFloat);
  const StDiT3 model(&source,
                     StDiT3Config::FromJson(JsonFields(cases.front().json.at("config"), "config")));
  try {
    source.Finish();
    FAIL() << "must throw";
  } catch (const UserError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("1 missing: t_block.1.bias"), std::string::npos) << message;
    EXPECT_NE(message.find("1 unexpected: surplus"), std::string::npos) << message;
    EXPECT_NE(message.find("final_layer.linear.bias must be ["), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace teacache
