#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "datasets/base/files.h"
#include "datasets/tensors/torch_tensors.h"
#include "tests/support/golden.h"

namespace teacache {

// Folders as models are published, written from the tensors of golden cases.

// The tensors of a golden case under `prefix` ("weights."), without it.
inline TensorMap GoldenWeights(const GoldenCase& golden, const std::string& prefix = "weights.") {
  TensorMap weights;
  for (const auto& [name, tensor] :
       LoadTensors((golden.folder / (golden.name + ".safetensors")).string())) {
    if (name.starts_with(prefix)) weights[name.substr(prefix.size())] = tensor;
  }
  return weights;
}

// folder/config.json and folder/`file`.
inline void WriteComponent(const std::filesystem::path& folder,
                           const nlohmann::json& config,
                           const TensorMap& weights,
                           const std::string& file = "diffusion_pytorch_model.safetensors") {
  MakeFolders(folder.string());
  AtomicWriteFile((folder / "config.json").string(), config.dump(1));
  SaveTensors((folder / file).string(), weights);
}

// root/text_encoder and root/tokenizer from a golden case of kind "t5" and the spiece.model beside
// it.
inline void WriteTextEncoder(const std::filesystem::path& root, const GoldenCase& t5) {
  WriteComponent(
      root / "text_encoder", t5.json.at("config"), GoldenWeights(t5), "model.safetensors");
  MakeFolders((root / "tokenizer").string());
  std::filesystem::copy_file(t5.folder / "spiece.model",
                             root / "tokenizer" / "spiece.model",
                             std::filesystem::copy_options::overwrite_existing);
}

}  // namespace teacache
