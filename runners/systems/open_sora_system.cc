#include "runners/systems/open_sora_system.h"

#include <ATen/Functions.h>

#include <cmath>

#include "calib/published_coefficients.h"
#include "datasets/base/error.h"
#include "runners/models/stdit3.h"
#include "runners/schedulers/rflow.h"
#include "runners/systems/checkpoint_system.h"
#include "runners/systems/open_sora_run.h"
#include "runners/systems/open_sora_sizes.h"
#include "runners/systems/video_decoder_part.h"
#include "runners/vae/open_sora_vae.h"

namespace teacache {
namespace {

constexpr int kDefaultSteps = 30;
constexpr double kDefaultGuidance = 7.0;
constexpr int kDefaultFrames = 51;
constexpr double kFps = 24;
constexpr double kImageFps = 120;  // what the model gets for a single frame
constexpr int kMaxTokens = 300;
constexpr double kDefaultAestheticScore = 6.5;
constexpr int kFewestFrames = 17;  // the shift of the timesteps counts in 17 frames

const PartFolders& Folders() {
  static const PartFolders kFolders = {{"OpenSora-STDiT-v3", "transformer"},
                                       {"OpenSora-VAE-v1.2", "vae"},
                                       {"t5-v1_1-xxl", "text_encoder"},
                                       {"t5-v1_1-xxl", "tokenizer", "text_encoder"}};
  return kFolders;
}

// " aesthetic score: 6.5.", with one digit as the reference writes it.
TextSuffix Score(const char* flag, const std::string& name, double value) {
  if (!std::isfinite(value)) ThrowUserError(flag, "must be a finite number but is {}", value);
  return {fmt::format(" {} {:.1f}.", name, value), name};
}

// The unconditional text is the transformer's own.
TextRule Text(const SystemOptions& options) {
  TextRule rule;
  rule.max_tokens = kMaxTokens;
  rule.has_negative = false;
  rule.has_clip_syntax = true;
  const double aesthetic = options.aesthetic_score.value_or(kDefaultAestheticScore);
  if (!(aesthetic < 0)) {
    rule.suffixes.push_back(Score("--aesthetic-score", "aesthetic score:", aesthetic));
  }
  if (options.motion_score) {
    rule.suffixes.push_back(Score("--motion-score", "motion score:", *options.motion_score));
  }
  if (!options.camera_motion.empty()) {
    rule.suffixes.push_back(
        {fmt::format(" camera motion: {}.", options.camera_motion), "camera motion:"});
  }
  return rule;
}

OpenSoraSize ChooseSize(const SystemOptions& options, int64_t factor) {
  const bool named = !options.resolution.empty() || !options.aspect_ratio.empty();
  if ((options.width != 0) != (options.height != 0) || (options.width != 0 && named)) {
    ThrowUserError("--width", "give both --width and --height, or --resolution and --aspect-ratio");
  }
  if (options.width == 0) {
    return FindOpenSoraSize(options.resolution.empty() ? "480p" : options.resolution,
                            options.aspect_ratio.empty() ? "9:16" : options.aspect_ratio);
  }
  if (std::min(options.width, options.height) < factor) {
    ThrowUserError("--width",
                   "sides must be at least {} pixels but are {}x{}",
                   factor,
                   options.width,
                   options.height);
  }
  return {options.height, options.width};
}

int ChooseFrames(int frames) {
  if (frames == 0) return kDefaultFrames;
  if (frames != 1 && frames < kFewestFrames) {
    ThrowUserError("--frames", "must be 1 or at least {} but is {}", kFewestFrames, frames);
  }
  return frames;
}

// Numbers that the transformer gets: in its own dtype, as the reference makes them.
double Rounded(double value, at::ScalarType dtype) {
  return at::full({1}, value, dtype).item<double>();
}

// Everything about a video but its prompt and noise.
struct Setting {
  OpenSoraSize size;
  int frames = kDefaultFrames;
  double guidance = kDefaultGuidance;
  std::vector<int64_t> latent_shape;
};

class OpenSoraTransformer : public TransformerPart {
 public:
  OpenSoraTransformer(CheckpointParameters* source, const StDiT3Config& config, Setting setting)
      : model_(source, config), setting_(std::move(setting)) {}

  std::unique_ptr<DenoisingRun> Begin(const PromptEmbedding& text,
                                      const std::vector<double>& timesteps) const override {
    const int64_t length = model_.config().model_max_length;
    const at::Tensor& null_text = model_.null_text();
    const at::Tensor cond = PadText(text.cond.to(null_text.options()), length);
    const at::Tensor both =
        setting_.guidance == 1 ? cond.unsqueeze(0) : at::stack({cond, null_text});
    const double fps = setting_.frames > 1 ? kFps : kImageFps;
    const auto condition =
        model_.Prepare(both.unsqueeze(1),
                       TextMask(text.cond.size(0), length).to(null_text.device()),
                       at::full({1}, fps, null_text.options()),
                       Rounded(setting_.size.height, model_.dtype()),
                       Rounded(setting_.size.width, model_.dtype()),
                       setting_.latent_shape);
    // The scheduler's values are float32 ones.
    const std::vector<float> exact(timesteps.begin(), timesteps.end());
    return std::make_unique<OpenSoraRun>(model_, condition, exact, setting_.guidance);
  }

 private:
  StDiT3 model_;
  Setting setting_;
};

class OpenSoraSystem final : public CheckpointSystem {
 public:
  explicit OpenSoraSystem(const SystemOptions& options)
      : CheckpointSystem(options, Folders(), Text(options), at::kBFloat16),
        config_(StDiT3Config::FromJson(
            {transformer_checkpoint().config(), transformer_checkpoint().config_path()})),
        vae_(OpenSoraVaeConfig::FromJson(
            {decoder_checkpoint().config(), decoder_checkpoint().config_path()})) {
    CheckConfigs();
    const int64_t factor = vae_.spatial.ScaleFactor();
    setting_.size = ChooseSize(options, factor);
    setting_.frames = ChooseFrames(options.frames);
    setting_.guidance = options.guidance < 0 ? kDefaultGuidance : options.guidance;
    if (!std::isfinite(options.guidance)) {
      ThrowUserError("--guidance", "must be a finite number but is {}", options.guidance);
    }
    const int64_t rows = setting_.size.height / factor, columns = setting_.size.width / factor;
    setting_.latent_shape = {
        1, config_.in_channels, vae_.LatentFrames(setting_.frames), rows, columns};
    rflow_.shift = RflowOptions::Shift{static_cast<double>(setting_.size.height),
                                       static_cast<double>(setting_.size.width),
                                       static_cast<double>(setting_.frames),
                                       dtype()};
    SetSteps(options.steps != 0 ? options.steps : kDefaultSteps);
    info_.name = "open-sora";
    info_.description = "Open-Sora 1.2";
    info_.scheduler = "rflow";
    info_.guidance = setting_.guidance;
    info_.width = static_cast<int>(columns * factor);
    info_.height = static_cast<int>(rows * factor);
    info_.frames = setting_.frames;
    info_.fps = kFps;
  }

  std::unique_ptr<Scheduler> MakeScheduler() const override { return MakeRflowScheduler(rflow_); }
  std::optional<Polynomial> PublishedCoefficients() const override {
    return Polynomial(FindPublishedSet("open-sora-1.2").coefficients);
  }

 protected:
  std::unique_ptr<CheckpointSystem> Copy() const override {
    return std::make_unique<OpenSoraSystem>(*this);
  }

  void SetSteps(int steps) final {
    rflow_.steps = steps;
    rflow_.Validate();
    info_.steps = info_.calls = steps;
  }

  std::vector<int64_t> LatentShape() const override { return setting_.latent_shape; }
  int64_t TextChannels() const override { return config_.caption_channels; }

  std::unique_ptr<TransformerPart> MakeTransformer(CheckpointParameters* source) const override {
    source->Ignore("pos_embed.inv_freq");  // a buffer that some versions save
    return std::make_unique<OpenSoraTransformer>(source, config_, setting_);
  }

  std::unique_ptr<DecoderPart> MakeDecoder(CheckpointParameters* source) const override {
    PrepareDecoderParameters(source);
    return std::make_unique<VideoDecoderPart>(
        std::make_unique<OpenSoraVae>(source, vae_), setting_.frames, kFps);
  }

 private:
  // The halves must fit each other and the text.
  void CheckConfigs() const {
    const std::string& where = transformer_checkpoint().config_path();
    if (config_.in_channels != vae_.temporal.embed_dim) {
      ThrowUserError(where,
                     "\"in_channels\" must be {}, as the decoder takes, but is {}",
                     vae_.temporal.embed_dim,
                     config_.in_channels);
    }
    if (config_.model_max_length != kMaxTokens) {
      ThrowUserError(
          where, "\"model_max_length\" must be {} but is {}", kMaxTokens, config_.model_max_length);
    }
  }

  StDiT3Config config_;
  OpenSoraVaeConfig vae_;
  Setting setting_;
  RflowOptions rflow_;
};

}  // namespace

std::unique_ptr<System> LoadOpenSoraSystem(const SystemOptions& options) {
  return MakeCheckpointSystem<OpenSoraSystem>(options);
}

std::unique_ptr<PromptEncoder> LoadOpenSoraEncoder(const SystemOptions& options) {
  return MakePromptEncoder(options, Folders(), Text(options), at::kBFloat16);
}

}  // namespace teacache
