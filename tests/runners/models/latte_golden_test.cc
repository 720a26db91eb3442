// LatteT2V against the reference classes of Latte and Open-Sora-Plan 1.1 (golden kinds "latte_t2v"
// and "osp_v110_t2v").

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <functional>

#include "runners/sampling/relative_l1.h"
#include "tests/runners/models/golden_latte.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

constexpr const char* kKinds[] = {"latte_t2v", "osp_v110_t2v"};

// Tokens [B, F, S, D] as the golden files store them: rows (b f), and (b s) after temporal blocks.
at::Tensor FrameRows(const at::Tensor& x) { return x.flatten(0, 1); }
at::Tensor PlaceRows(const at::Tensor& x) { return x.transpose(1, 2).flatten(0, 1); }

// Every test runs for every case of both kinds.
void ForEachCase(const std::function<void(const GoldenCase&, const GoldenTensors&)>& test) {
  for (const char* kind : kKinds) {
    for (const GoldenCase& golden : FindGoldenCases(kind)) {
      SCOPED_TRACE(golden.file.string());
      test(golden, GoldenTensors(golden));
    }
  }
}

TEST(LatteT2V, MatchesReferenceInEveryPart) {
  ForEachCase([](const GoldenCase& golden, const GoldenTensors& tensors) {
    const LatteT2V model = LoadLatteT2V(tensors, golden);
    const double parts = golden.json.at("tolerance").at("per_block_max_rel_of_absmax");
    const double whole = golden.json.at("tolerance").at("sample_max_rel_of_absmax");
    const at::Tensor text = tensors.In("encoder_hidden_states");
    const at::Tensor latent = tensors.In("latent");
    const at::Tensor timestep = tensors.In("timestep");
    const auto condition = model.Prepare(text, latent.sizes());
    const auto call = model.Embed(latent, timestep, condition);
    // The last bit of a frequency depends on the CPU's exp, and is multiplied by the timestep.
    EXPECT_TRUE(TensorsNear(TimestepEmbedding(timestep, 256), tensors.Out("time_proj"), 0, 1e-4));
    EXPECT_TRUE(TensorsNearRel(call.t, tensors.Out("adaln_single.embedded_timestep"), parts));
    EXPECT_TRUE(TensorsNearRel(call.t_mlp, tensors.Out("adaln_single.tp"), parts));
    const at::Tensor projected = tensors.Out("caption_projection");
    EXPECT_TRUE(TensorsNearRel(condition.text.view(projected.sizes()), projected, parts));
    EXPECT_TRUE(TensorsNearRel(FrameRows(call.x), tensors.Out("pos_embed"), parts));
    EXPECT_TRUE(TensorsNearRel(FrameRows(call.modulated), tensors.Out("modulated_input"), parts));

    at::Tensor x = call.x;
    for (size_t i = 0; i < model.blocks().size(); ++i) {
      const LatteT2VBlock& block = model.blocks()[i];
      if (i == 1) x = model.AddTemporalPositions(x);
      const at::Tensor plain = block(x, condition.text, call.t_mlp, AttentionKernel::kPlain);
      x = block(x, condition.text, call.t_mlp, AttentionKernel::kFused);
      const std::string name =
          (i % 2 == 0 ? "transformer_blocks." : "temporal_transformer_blocks.") +
          std::to_string(i / 2);
      SCOPED_TRACE(name);
      EXPECT_TRUE(
          TensorsNearRel(i % 2 == 0 ? FrameRows(x) : PlaceRows(x), tensors.Out(name), parts));
      EXPECT_TRUE(TensorsNearRel(plain, x, 2e-6)) << "plain against fused attention";
    }
    EXPECT_TRUE(TensorsNearRel(FrameRows(x - call.x), tensors.Out("residual"), parts));
    EXPECT_TRUE(TensorsNearRel(model.Blocks(call, condition), x, 0)) << "blocks at once";
    EXPECT_TRUE(TensorsNearRel(model.Head(x, call), tensors.Out("sample"), whole));
  });
}

// The second call, computed and skipped.
TEST(LatteT2V, MatchesReferenceWithAResidualOfTheCallBefore) {
  ForEachCase([](const GoldenCase& golden, const GoldenTensors& tensors) {
    const LatteT2V model = LoadLatteT2V(tensors, golden);
    const double whole = golden.json.at("tolerance").at("sample_max_rel_of_absmax");
    const at::Tensor latent = tensors.In("latent_b");
    const auto condition = model.Prepare(tensors.In("encoder_hidden_states"), latent.sizes());
    const auto before = model.Embed(tensors.In("latent"), tensors.In("timestep"), condition);
    // One timestep for both rows says the same as two equal ones.
    const auto call = model.Embed(latent, tensors.In("timestep_b").slice(0, 0, 1), condition);
    EXPECT_TRUE(TensorsNearRel(FrameRows(call.modulated), tensors.Out("modulated_input_b"), 1e-5));
    const double r = golden.json.at("skip_path_b").at("r");
    EXPECT_NEAR(ReferenceRelativeL1(call.modulated, before.modulated), r, 1e-5 * r);
    EXPECT_NEAR(MeasureL1(call.modulated, before.modulated).Ratio(), r, 1e-5 * r);
    EXPECT_TRUE(TensorsNearRel(
        model.Head(model.Blocks(call, condition), call), tensors.Out("sample_b"), whole));
    const at::Tensor residual = model.Blocks(before, condition) - before.x;
    EXPECT_TRUE(
        TensorsNearRel(model.Head(call.x + residual, call), tensors.Out("skip_sample_b"), whole));
  });
}

TEST(LatteT2V, PositionTablesMatchReference) {
  ForEachCase([](const GoldenCase& golden, const GoldenTensors& tensors) {
    const LatteT2VConfig config = ParseLatteT2VConfig(golden.json.at("config"), "config");
    const double tolerance = golden.json.at("tolerance").at("tables_max_abs");
    const at::IntArrayRef latent = tensors.In("latent").sizes();
    EXPECT_TRUE(TensorsNear(LatteSpatialPositions(config.hidden_size(),
                                                  latent[3] / config.patch_size,
                                                  latent[4] / config.patch_size,
                                                  config.sample_size,
                                                  config.patch_size),
                            tensors.Out("table.pos_embed"),
                            0,
                            tolerance));
    EXPECT_TRUE(TensorsNear(
        LatteTemporalPositions(config.hidden_size(), config.video_length, config.temporal_scale()),
        tensors.Out("table.temp_pos_embed"),
        0,
        tolerance));
    const auto rows = [](const nlohmann::json& table) {
      return at::tensor(table.at("rows").get<std::vector<int64_t>>());
    };
    const auto& tables = golden.json.at("tables");
    for (size_t i = 0; i < tables.at("pos2d").size(); ++i) {
      const auto& t = tables.at("pos2d")[i];
      EXPECT_TRUE(TensorsNear(
          LatteSpatialPositions(
              t.at("D"), t.at("grid_h"), t.at("grid_w"), t.at("sample_size"), t.at("patch"))
              .index_select(0, rows(t)),
          tensors.Out("tables.pos2d." + std::to_string(i)),
          0,
          tolerance));
    }
    for (size_t i = 0; i < tables.at("temporal").size(); ++i) {
      const auto& t = tables.at("temporal")[i];
      LatteT2VConfig other = config;
      other.video_length = t.at("video_length");
      EXPECT_TRUE(
          TensorsNear(LatteTemporalPositions(t.at("D"), other.video_length, other.temporal_scale())
                          .index_select(0, rows(t)),
                      tensors.Out("tables.temporal." + std::to_string(i)),
                      0,
                      tolerance));
    }
  });
}

// In bfloat16 as the models are run; two right implementations differ by percents there.
TEST(LatteT2V, Bfloat16StaysClose) {
  ForEachCase([](const GoldenCase& golden, const GoldenTensors& tensors) {
    const LatteT2V model = LoadLatteT2V(tensors, golden, at::kBFloat16);
    const at::Tensor latent = tensors.In("latent");
    const auto condition = model.Prepare(tensors.In("encoder_hidden_states"), latent.sizes());
    const auto call = model.Embed(latent, tensors.In("timestep"), condition);
    const at::Tensor out = model.Head(model.Blocks(call, condition), call);
    EXPECT_EQ(out.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(TensorsNearRel(out, tensors.Out("sample"), 0.05));
  });
}

}  // namespace
}  // namespace teacache
