#include "runners/systems/system_list.h"

#include <fmt/format.h>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_device.h"
#include "runners/bundles/bundle_system.h"
#include "runners/bundles/manifest.h"
#include "runners/systems/latte_system.h"
#include "runners/systems/open_sora_plan_system.h"
#include "runners/systems/open_sora_system.h"
#include "runners/systems/shapes_system.h"
#include "runners/text/prompt_encoder.h"

namespace teacache {

const std::vector<SystemEntry>& Systems() {
  static const std::vector<SystemEntry> kSystems = {
      {"shapes", "the small model inside the product: 16 frames of 64 x 64", LoadShapesSystem},
      {"latte", "Latte-1, from its published weights", LoadLatteSystem, LoadLatteEncoder},
      {"open-sora",
       "Open-Sora 1.2, from its published weights",
       LoadOpenSoraSystem,
       LoadOpenSoraEncoder},
      {"open-sora-plan",
       "Open-Sora-Plan 1.1, from its published weights",
       LoadOpenSoraPlanSystem,
       LoadOpenSoraPlanEncoder},
  };
  return kSystems;
}

namespace {

const SystemEntry& FindSystem(const std::string& name) {
  std::string known;
  for (const SystemEntry& entry : Systems()) {
    if (entry.name == name) return entry;
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  ThrowUserError("--model",
                 "must be one of {}, or the folder of a bundle (with a bundle.json), but is '{}'",
                 known,
                 name);
}

// Throws UserError for the first option that only systems of published checkpoints take. With
// `is_bundle`, `name` is a bundle: it takes embeddings.
void RefuseCheckpointOptions(const std::string& name,
                             const SystemOptions& options,
                             bool is_bundle = false) {
  const std::pair<const char*, bool> given[] = {
      {"--transformer", !options.transformer.empty()},
      {"--vae", !options.vae.empty()},
      {"--text-encoder", !options.text_encoder.empty()},
      {"--tokenizer", !options.tokenizer.empty()},
      {"--prompt-embeddings", !is_bundle && !options.prompt_embeddings.empty()},
      {"--offload", options.offload},
      {"--frames", options.frames != 0},
      {"--width", options.width != 0},
      {"--height", options.height != 0},
      {"--resolution", !options.resolution.empty()},
      {"--aspect-ratio", !options.aspect_ratio.empty()},
      {"--aesthetic-score", options.aesthetic_score.has_value()},
      {"--motion-score", options.motion_score.has_value()},
      {"--camera-motion", !options.camera_motion.empty()},
      {"--native-code", !is_bundle && options.native_code},
  };
  for (const auto& [flag, is_given] : given) {
    if (is_given) ThrowUserError(flag, "is not for {}, whose parts and size are fixed", name);
  }
}

}  // namespace

std::unique_ptr<System> LoadSystem(const std::string& name, const SystemOptions& options) {
  UseExactFloat32();
  if (IsBundle(name)) {
    RefuseCheckpointOptions(name, options, /*is_bundle=*/true);
    return LoadBundleSystem(name, options);
  }
  const SystemEntry& entry = FindSystem(name);
  if (entry.load_encoder == nullptr) RefuseCheckpointOptions(name, options);
  if (options.native_code) ThrowUserError("--native-code", "is for bundles, which {} is not", name);
  return entry.load(options);
}

std::unique_ptr<PromptEncoder> LoadPromptEncoder(const std::string& name,
                                                 const SystemOptions& options) {
  const SystemEntry& entry = FindSystem(name);
  if (entry.load_encoder == nullptr) ThrowUserError("--model", "{} has no text encoder", name);
  UseExactFloat32();
  return entry.load_encoder(options);
}

std::string DescribeSystems(bool with_encoder) {
  std::string text;
  for (const SystemEntry& entry : Systems()) {
    if (with_encoder && entry.load_encoder == nullptr) continue;
    text += fmt::format("{}: {}\n", entry.name, entry.description);
  }
  return text;
}

}  // namespace teacache
