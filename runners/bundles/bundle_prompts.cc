#include "runners/bundles/bundle_prompts.h"

#include <fmt/format.h>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/prompts.h"

namespace teacache {
namespace {

std::string Metadata(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) {
    ThrowUserError(
        file.path(),
        "must be a file of teacache.export's write_prompts but its metadata has no \"{}\"",
        key);
  }
  return found->second;
}

// Every tensor of a pass must be an argument as the manifest says.
TensorMap Arguments(const SafetensorsFile& file,
                    const BundleExpert& expert,
                    const std::string& prefix) {
  TensorMap arguments;
  for (const std::string& name : expert.arguments) {
    if (name == expert.roles.latent || name == expert.roles.time) continue;
    const TensorView* view = file.Find(prefix + name);
    if (view == nullptr) {
      ThrowUserError(file.path(), "must hold \"{}{}\" but does not", prefix, name);
    }
    const BundleTensor& must = expert.tensors.at(name);
    const BundleTensor is = {view->shape, view->dtype};
    if (is.shape != must.shape || is.dtype != must.dtype) {
      ThrowUserError(file.path(),
                     "\"{}{}\" must be {}, as the bundle was exported, but is {}",
                     prefix,
                     name,
                     DescribeTensor(must),
                     DescribeTensor(is));
    }
    arguments[name] = ToTensor(*view);
  }
  return arguments;
}

}  // namespace

BundlePrompts BundlePrompts::Open(const std::string& path, const BundleManifest& manifest) {
  const SafetensorsFile file = SafetensorsFile::Open(path);
  if (Metadata(file, "format") != "teacache-bundle-prompts" || Metadata(file, "version") != "1") {
    ThrowUserError(path, "must hold prompts of a bundle, version 1, but does not");
  }
  BundlePrompts prompts;
  prompts.path_ = path;
  prompts.sha256_ = Sha256HexOfFile(path);
  prompts.texts_ =
      FromJson<std::vector<std::string>>(Metadata(file, "prompts"), path + ": prompts");
  CheckDistinct(prompts.texts_, path);
  for (size_t k = 0; k < prompts.texts_.size(); ++k) {
    for (const std::string& pass : manifest.guidance.passes) {
      prompts.arguments_[prompts.texts_[k]][pass] =
          Arguments(file, manifest.experts.front(), fmt::format("{}.{}.", k, pass));
    }
  }
  return prompts;
}

void BundlePrompts::CheckHas(const std::string& prompt) const {
  if (!arguments_.contains(prompt)) {
    ThrowUserError(
        path_,
        "must hold prompt \"{}\" but does not (teacache.export --prompts encodes prompts)",
        prompt);
  }
}

const TensorMap& BundlePrompts::At(const std::string& prompt, const std::string& pass) const {
  CheckHas(prompt);
  return arguments_.at(prompt).at(pass);
}

}  // namespace teacache
