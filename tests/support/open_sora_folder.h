#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "runners/models/stdit3.h"
#include "runners/nn/parameters.h"
#include "tests/support/checkpoint_folder.h"
#include "tests/support/shapes_weights.h"

namespace teacache {

// Open-Sora 1.2 as it is published, but tiny: random weights that make every part matter; videos
// show nothing.

// OpenSora-STDiT-v3/config.json; `caption_channels` are those of the text encoder.
inline nlohmann::json TinyStDiT3Config(int64_t caption_channels) {
  return {{"architectures", {"STDiT3"}},
          {"model_type", "STDiT3"},
          {"caption_channels", caption_channels},
          {"class_dropout_prob", 0.1},
          {"depth", 2},
          {"drop_path", 0.0},
          {"enable_flash_attn", true},
          {"hidden_size", 32},
          {"in_channels", 4},
          {"input_size", {nullptr, nullptr, nullptr}},
          {"input_sq_size", 512},
          {"mlp_ratio", 4.0},
          {"model_max_length", 300},
          {"num_heads", 2},
          {"patch_size", {1, 2, 2}},
          {"pred_sigma", true},
          {"qk_norm", true},
          {"skip_y_embedder", false},
          {"torch_dtype", "float32"}};
}

// OpenSora-VAE-v1.2/config.json with the widths of a golden case of kind "opensora_vae".
inline nlohmann::json TinyOpenSoraVaeConfig(const GoldenCase& vae) {
  nlohmann::json config = {{"architectures", {"VideoAutoencoderPipeline"}},
                           {"model_type", "VideoAutoencoderPipeline"},
                           {"cal_loss", false},
                           {"freeze_vae_2d", false},
                           {"from_pretrained", nullptr},
                           {"micro_frame_size", vae.json["pipeline_config"]["micro_frame_size"]},
                           {"scale", vae.json["pipeline_config"]["scale"]},
                           {"shift", vae.json["pipeline_config"]["shift"]},
                           {"vae_2d", vae.json["spatial_vae_config"]},
                           {"vae_temporal", vae.json["temporal_vae_config"]}};
  config["vae_2d"].update({{"type", "VideoAutoencoderKL"},
                           {"subfolder", "vae"},
                           {"micro_batch_size", vae.json["pipeline_config"]["micro_batch_size"]}});
  config["vae_temporal"].update({{"type", "VAE_Temporal_SD"}, {"from_pretrained", nullptr}});
  return config;
}

// Weights of a random STDiT3 of this config, none of them zero.
inline TensorMap RandomStDiT3(const nlohmann::json& config, uint64_t seed) {
  RandomParameters source(seed);
  const StDiT3 model(&source, StDiT3Config::FromJson({config, "config"}));
  TensorMap tensors = Awake(source.tensors(), seed + 1);
  const int64_t head_dim =
      config.at("hidden_size").get<int64_t>() / config.at("num_heads").get<int64_t>();
  tensors["rope.freqs"] = RopeFreqs(head_dim);
  return tensors;
}

// root/OpenSora-STDiT-v3, root/OpenSora-VAE-v1.2 and root/t5-v1_1-xxl, with the autoencoder and the
// text encoder of golden cases ("opensora_vae" and "t5").
inline void WriteOpenSoraFolder(const std::filesystem::path& root,
                                const GoldenCase& vae,
                                const GoldenCase& t5,
                                uint64_t seed = 1) {
  const nlohmann::json config = TinyStDiT3Config(t5.json["config"]["d_model"]);
  WriteComponent(
      root / "OpenSora-STDiT-v3", config, RandomStDiT3(config, seed), "model.safetensors");
  WriteComponent(root / "OpenSora-VAE-v1.2",
                 TinyOpenSoraVaeConfig(vae),
                 GoldenWeights(vae),
                 "model.safetensors");
  WriteComponent(
      root / "t5-v1_1-xxl", t5.json.at("config"), GoldenWeights(t5), "model.safetensors");
  std::filesystem::copy_file(t5.folder / "spiece.model", root / "t5-v1_1-xxl" / "spiece.model");
}

}  // namespace teacache
