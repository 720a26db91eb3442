// The transformers at their published sizes, without weights: what they would ask a checkpoint for.

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "runners/models/latte_t2v.h"
#include "runners/models/stdit3.h"
#include "runners/parameters.h"

namespace teacache {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

constexpr int64_t kD = 1152;
constexpr int64_t kText = 4096;
constexpr int kLayers = 28;

// The list of a checkpoint's tensors, put together layer by layer.
struct Listing {
  Shapes shapes;

  void Linear(const std::string& name, int64_t in, int64_t out) {
    shapes[name + ".weight"] = {out, in};
    shapes[name + ".bias"] = {out};
  }
};

// maxin-cn/Latte-1, transformer/config.json.
nlohmann::json LatteConfigFile() {
  return nlohmann::json::parse(R"({
    "_class_name": "LatteT2V", "activation_fn": "gelu-approximate", "attention_bias": true,
    "attention_head_dim": 72, "attention_type": "default", "caption_channels": 4096,
    "cross_attention_dim": 1152, "double_self_attention": false, "dropout": 0.0, "in_channels": 4,
    "norm_elementwise_affine": false, "norm_eps": 1e-06, "norm_num_groups": 32,
    "norm_type": "ada_norm_single", "num_attention_heads": 16, "num_embeds_ada_norm": 1000,
    "num_layers": 28, "num_vector_embeds": null, "only_cross_attention": false, "out_channels": 8,
    "patch_size": 2, "sample_size": 64, "upcast_attention": false, "use_linear_projection": false,
    "video_length": 16})");
}

// LanguageBind/Open-Sora-Plan-v1.1.0, 65x512x512/config.json.
nlohmann::json OpenSoraPlanConfigFile() {
  nlohmann::json config = LatteConfigFile();
  config.update(nlohmann::json::parse(R"({
    "sample_size": [64, 64], "video_length": 17, "attention_mode": "xformers",
    "compress_kv_factor": 1, "model_max_length": 300, "patch_size_t": 1,
    "rope_scaling_type": "linear", "use_rope": false})"));
  return config;
}

Shapes LatteListing() {
  Listing list;
  list.shapes["pos_embed.proj.weight"] = {kD, 4, 2, 2};
  list.shapes["pos_embed.proj.bias"] = {kD};
  list.Linear("adaln_single.emb.timestep_embedder.linear_1", 256, kD);
  list.Linear("adaln_single.emb.timestep_embedder.linear_2", kD, kD);
  list.Linear("adaln_single.linear", kD, 6 * kD);
  list.Linear("caption_projection.linear_1", kText, kD);
  list.Linear("caption_projection.linear_2", kD, kD);
  for (int i = 0; i < kLayers; ++i) {
    for (const std::string kind : {"transformer_blocks.", "temporal_transformer_blocks."}) {
      const std::string block = kind + std::to_string(i) + ".";
      list.shapes[block + "scale_shift_table"] = {6, kD};
      for (const std::string attention : {"attn1", "attn2"}) {
        if (attention == "attn2" && kind[1] == 'e') continue;  // temporal: no cross-attention
        for (const std::string layer : {"to_q", "to_k", "to_v", "to_out.0"}) {
          list.Linear(block + attention + "." + layer, kD, kD);
        }
      }
      list.Linear(block + "ff.net.0.proj", kD, 4 * kD);
      list.Linear(block + "ff.net.2", 4 * kD, kD);
    }
  }
  list.shapes["scale_shift_table"] = {2, kD};
  list.Linear("proj_out", kD, 32);
  return list.shapes;
}

Shapes StDiT3Listing() {
  Listing list;
  list.shapes["x_embedder.proj.weight"] = {kD, 4, 1, 2, 2};
  list.shapes["x_embedder.proj.bias"] = {kD};
  for (const std::string embedder : {"t_embedder", "fps_embedder"}) {
    list.Linear(embedder + ".mlp.0", 256, kD);
    list.Linear(embedder + ".mlp.2", kD, kD);
  }
  list.Linear("t_block.1", kD, 6 * kD);
  list.Linear("y_embedder.y_proj.fc1", kText, kD);
  list.Linear("y_embedder.y_proj.fc2", kD, kD);
  list.shapes["y_embedder.y_embedding"] = {300, kText};
  list.shapes["rope.freqs"] = {36};
  for (int i = 0; i < kLayers; ++i) {
    for (const std::string kind : {"spatial_blocks.", "temporal_blocks."}) {
      const std::string block = kind + std::to_string(i) + ".";
      list.shapes[block + "scale_shift_table"] = {6, kD};
      list.Linear(block + "attn.qkv", kD, 3 * kD);
      list.Linear(block + "attn.proj", kD, kD);
      list.shapes[block + "attn.q_norm.weight"] = {72};
      list.shapes[block + "attn.k_norm.weight"] = {72};
      list.Linear(block + "cross_attn.q_linear", kD, kD);
      list.Linear(block + "cross_attn.kv_linear", kD, 2 * kD);
      list.Linear(block + "cross_attn.proj", kD, kD);
      list.Linear(block + "mlp.fc1", kD, 4 * kD);
      list.Linear(block + "mlp.fc2", 4 * kD, kD);
    }
  }
  list.shapes["final_layer.scale_shift_table"] = {2, kD};
  list.Linear("final_layer.linear", kD, 32);
  return list.shapes;
}

TEST(PublishedModels, LatteAsksForItsCheckpointsTensors) {
  ShapeParameters source;
  const LatteT2V model(&source, ParseLatteT2VConfig(LatteConfigFile(), "config.json"));
  EXPECT_EQ(source.shapes(), LatteListing());
  EXPECT_EQ(source.elements(), 1'057'246'880);  // 1057.2 M
  EXPECT_EQ(model.blocks().size(), 2U * kLayers);
  EXPECT_FALSE(model.config().open_sora_plan);
}

TEST(PublishedModels, OpenSoraPlanAsksForItsCheckpointsTensors) {
  ShapeParameters source;
  const LatteT2V model(&source, ParseLatteT2VConfig(OpenSoraPlanConfigFile(), "config.json"));
  EXPECT_EQ(source.shapes(), LatteListing());
  EXPECT_TRUE(model.config().open_sora_plan);
  EXPECT_EQ(model.config().temporal_scale(), 1);
  EXPECT_EQ(model.config().video_length, 17);
}

TEST(PublishedModels, OpenSoraAsksForItsCheckpointsTensors) {
  ShapeParameters source;
  const StDiT3 model(&source, StDiT3Config{});
  EXPECT_EQ(source.shapes(), StDiT3Listing());
  EXPECT_EQ(source.elements(), 1'208'872'772);  // 1208.9 M, buffers included
}

}  // namespace
}  // namespace teacache
