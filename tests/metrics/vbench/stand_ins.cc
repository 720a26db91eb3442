#include "tests/metrics/vbench/stand_ins.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

namespace teacache {

void WriteScript(const std::string& path,
                 const std::string& source,
                 const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                 const std::vector<std::pair<std::string, std::string>>& networks,
                 const std::vector<std::pair<std::string, int64_t>>& numbers) {
  torch::jit::Module module("StandIn");
  for (const auto& [name, tensor] : tensors) module.register_buffer(name, tensor);
  for (const auto& [name, file] : networks) module.register_module(name, torch::jit::load(file));
  for (const auto& [name, number] : numbers) {
    module.register_attribute(name, c10::IntType::get(), number);
  }
  module.define(source);
  module.save(path);
}

}  // namespace teacache
