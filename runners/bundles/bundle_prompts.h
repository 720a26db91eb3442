#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/tensors/torch_tensors.h"
#include "runners/bundles/manifest.h"

namespace teacache {

// prompts.safetensors of a bundle, written by teacache.export: for prompt k and each pass of
// guidance what the transformer is given besides latent and time, "k.PASS.ARGUMENT". Metadata:
// "format" = "teacache-bundle-prompts", "version" = "1", "prompts" = JSON list of the texts.
class BundlePrompts {
 public:
  // Maps the file and checks every tensor against the manifest. Throws UserError.
  static BundlePrompts Open(const std::string& path, const BundleManifest& manifest);

  const std::vector<std::string>& texts() const { return texts_; }
  // Throws UserError for a prompt that the file does not have.
  void CheckHas(const std::string& prompt) const;
  // The arguments of a pass, on the CPU. Throws UserError.
  const TensorMap& At(const std::string& prompt, const std::string& pass) const;

  const std::string& path() const { return path_; }
  const std::string& sha256() const { return sha256_; }

 private:
  std::string path_;
  std::string sha256_;
  std::vector<std::string> texts_;
  std::map<std::string, std::map<std::string, TensorMap>> arguments_;  // prompt -> pass ->
};

}  // namespace teacache
