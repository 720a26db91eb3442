#include "runners/systems/latte_t2v_system.h"

#include <ATen/Functions.h>

#include <cmath>

#include "datasets/base/error.h"
#include "runners/systems/latte_run.h"

namespace teacache {
namespace {

constexpr double kDefaultGuidance = 7.5;

class LatteTransformer : public TransformerPart {
 public:
  LatteTransformer(CheckpointParameters* source,
                   const LatteT2VConfig& config,
                   double guidance,
                   std::vector<int64_t> latent_shape)
      : model_(source, config), guidance_(guidance), latent_shape_(std::move(latent_shape)) {}

  std::unique_ptr<DenoisingRun> Begin(const PromptEmbedding& text,
                                      const std::vector<double>& timesteps) const override {
    const at::Tensor rows =
        guidance_ == 1 ? text.cond.unsqueeze(0) : at::stack({text.uncond, text.cond});
    return std::make_unique<LatteRun>(model_, rows, timesteps, guidance_, latent_shape_);
  }

 private:
  LatteT2V model_;
  double guidance_;
  std::vector<int64_t> latent_shape_;
};

// A side of the video in places of the latent, which must be whole patches.
int64_t Places(const char* flag, int pixels, int64_t factor, int64_t patch) {
  const int64_t step = factor * patch;
  if (pixels < step || pixels % step != 0) {
    ThrowUserError(flag, "must be a multiple of {} but is {}", step, pixels);
  }
  return pixels / factor;
}

}  // namespace

TextRule LatteTextRule(const SystemOptions& options, int max_tokens) {
  const std::pair<const char*, bool> given[] = {
      {"--aesthetic-score", options.aesthetic_score.has_value()},
      {"--motion-score", options.motion_score.has_value()},
      {"--camera-motion", !options.camera_motion.empty()},
  };
  for (const auto& [flag, is_given] : given) {
    if (is_given) ThrowUserError(flag, "is for open-sora, whose prompts hold such words");
  }
  TextRule rule;
  rule.max_tokens = max_tokens;
  return rule;
}

LatteT2VSystem::LatteT2VSystem(const SystemOptions& options,
                               const PartFolders& folders,
                               const TextRule& text,
                               bool open_sora_plan)
    : CheckpointSystem(options, folders, text, at::kHalf),
      config_(ParseLatteT2VConfig(transformer_checkpoint().config(),
                                  transformer_checkpoint().config_path())) {
  if (config_.open_sora_plan != open_sora_plan) {
    ThrowUserError(transformer_checkpoint().config_path(),
                   "is the transformer of {}: use --model {}",
                   open_sora_plan ? "Latte" : "Open-Sora-Plan",
                   open_sora_plan ? "latte" : "open-sora-plan");
  }
}

void LatteT2VSystem::ChooseSize(int64_t factor) {
  const SystemOptions& asked = options();
  if (!asked.resolution.empty() || !asked.aspect_ratio.empty()) {
    ThrowUserError("--resolution", "sizes have no names here: give --width and --height");
  }
  if ((asked.width != 0) != (asked.height != 0)) {
    ThrowUserError("--width", "give both --width and --height, or neither");
  }
  int64_t rows = config_.sample_size;
  int64_t columns = config_.sample_size;
  if (asked.width != 0) {
    rows = Places("--height", asked.height, factor, config_.patch_size);
    columns = Places("--width", asked.width, factor, config_.patch_size);
  }
  if (!std::isfinite(asked.guidance)) {
    ThrowUserError("--guidance", "must be a finite number but is {}", asked.guidance);
  }
  latent_shape_ = {1, config_.in_channels, config_.video_length, rows, columns};
  info_.guidance = asked.guidance < 0 ? kDefaultGuidance : asked.guidance;
  info_.width = static_cast<int>(columns * factor);
  info_.height = static_cast<int>(rows * factor);
}

std::unique_ptr<TransformerPart> LatteT2VSystem::MakeTransformer(
    CheckpointParameters* source) const {
  for (const std::string& key : config_.IgnoredKeys()) source->Ignore(key);
  return std::make_unique<LatteTransformer>(source, config_, info_.guidance, latent_shape_);
}

}  // namespace teacache
