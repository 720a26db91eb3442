#pragma once

#include <ATen/Parallel.h>

#include <stdexcept>
#include <string>

#include "datasets/tensors/torch_tensors.h"
#include "runners/models/stdit3.h"
#include "tests/support/golden.h"

namespace teacache {

// The models are tiny: one thread is much faster, and adds up in one order on every machine.
inline const bool kOneThread = (at::set_num_threads(1), true);

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

inline StDiT3 LoadStDiT3(const GoldenTensors& tensors,
                         const GoldenCase& golden,
                         at::ScalarType dtype = at::kFloat,
                         at::Device device = at::kCPU) {
  CheckpointParameters source(tensors.Weights(), golden.name, dtype, device);
  StDiT3 model(&source, StDiT3Config::FromJson(JsonFields(golden.json.at("config"), golden.name)));
  source.Finish();
  return model;
}

}  // namespace teacache
