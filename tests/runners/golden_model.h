#pragma once

#include <stdexcept>
#include <string>

#include "datasets/torch_tensors.h"
#include "runners/models/stdit3.h"
#include "tests/support/golden.h"

namespace teacache {

// Tensors of a golden case: weights.*, in.*, out.* without their prefixes.
class GoldenTensors {
 public:
  explicit GoldenTensors(const GoldenCase& golden)
      : tensors_(LoadTensors((golden.folder / (golden.name + ".safetensors")).string())) {}

  bool Has(const std::string& name) const { return tensors_.contains(name); }
  at::Tensor At(const std::string& name) const {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) throw std::runtime_error("golden tensor " + name + " is missing");
    return it->second;
  }
  at::Tensor In(const std::string& name) const { return At("in." + name); }
  at::Tensor Out(const std::string& name) const { return At("out." + name); }
  TensorMap Weights() const {
    TensorMap weights;
    for (const auto& [name, tensor] : tensors_) {
      if (name.starts_with("weights.")) weights[name.substr(8)] = tensor;
    }
    return weights;
  }

 private:
  TensorMap tensors_;
};

inline StDiT3Config StDiT3ConfigFromJson(const nlohmann::json& j) {
  StDiT3Config config;
  j.at("depth").get_to(config.depth);
  j.at("hidden_size").get_to(config.hidden_size);
  j.at("num_heads").get_to(config.num_heads);
  j.at("patch_size").get_to(config.patch_size);
  j.at("in_channels").get_to(config.in_channels);
  j.at("pred_sigma").get_to(config.pred_sigma);
  j.at("mlp_ratio").get_to(config.mlp_ratio);
  j.at("caption_channels").get_to(config.caption_channels);
  j.at("model_max_length").get_to(config.model_max_length);
  j.at("input_sq_size").get_to(config.input_sq_size);
  return config;
}

inline StDiT3 LoadStDiT3(const GoldenTensors& tensors,
                         const GoldenCase& golden,
                         at::ScalarType dtype = at::kFloat) {
  CheckpointParameters source(tensors.Weights(), golden.name, dtype);
  StDiT3 model(&source, StDiT3ConfigFromJson(golden.json.at("config")));
  source.Finish();
  return model;
}

}  // namespace teacache
