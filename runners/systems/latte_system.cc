#include "runners/systems/latte_system.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "calib/published_coefficients.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"
#include "runners/schedulers/ddim.h"
#include "runners/systems/latte_t2v_system.h"
#include "runners/systems/video_decoder_part.h"
#include "runners/vae/autoencoder_kl.h"
#include "runners/vae/temporal_decoder.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr int kDefaultSteps = 50;
constexpr int kMaxTokens = 120;
constexpr double kFps = 8;

const PartFolders& Folders() {
  static const PartFolders kFolders = {.decoder = {"vae_temporal_decoder", "vae"}};
  return kFolders;
}

// scheduler/scheduler_config.json where there is one, with what the pipeline sets itself.
NoiseSchedule ReadSchedule(const std::string& weights) {
  NoiseSchedule schedule;
  const fs::path path = fs::path(weights) / "scheduler" / "scheduler_config.json";
  if (!weights.empty() && fs::exists(path)) {
    schedule = ParseNoiseSchedule(ParseJson(ReadFile(path.string()), path.string()), path.string());
  }
  const NoiseSchedule pipeline;
  schedule.beta_start = pipeline.beta_start;
  schedule.beta_end = pipeline.beta_end;
  schedule.beta_schedule = pipeline.beta_schedule;
  return schedule;
}

// Stable Video Diffusion's decoder has a temporal half, the plain one has not.
bool IsTemporal(const Checkpoint& decoder) {
  for (const TensorView& tensor : decoder.tensors()) {
    if (tensor.name == "decoder.time_conv_out.weight") return true;
  }
  return false;
}

class LatteSystem final : public LatteT2VSystem {
 public:
  explicit LatteSystem(const SystemOptions& options)
      : LatteT2VSystem(
            options, Folders(), LatteTextRule(options, kMaxTokens), /*open_sora_plan=*/false),
        temporal_(IsTemporal(decoder_checkpoint())) {
    const JsonFields vae(decoder_checkpoint().config(), decoder_checkpoint().config_path());
    if (temporal_) {
      temporal_config_ = TemporalDecoderConfig::FromJson(vae);
    } else {
      picture_config_ = AutoencoderKlConfig::FromJson(vae);
    }
    ChooseSize(temporal_ ? temporal_config_.ScaleFactor() : picture_config_.ScaleFactor());
    if (options.frames != 0 && options.frames != config().video_length) {
      ThrowUserError(
          "--frames",
          "must be the {} that the transformer was trained for (video_length in {}) but is {}",
          config().video_length,
          transformer_checkpoint().config_path(),
          options.frames);
    }
    ddim_.schedule = ReadSchedule(options.weights);
    SetSteps(options.steps != 0 ? options.steps : kDefaultSteps);
    info_.name = "latte";
    info_.description = "Latte-1";
    info_.scheduler = "ddim";
    info_.frames = static_cast<int>(config().video_length);
    info_.fps = kFps;
  }

  std::unique_ptr<Scheduler> MakeScheduler() const override { return MakeDdimScheduler(ddim_); }
  std::optional<Polynomial> PublishedCoefficients() const override {
    return Polynomial(FindPublishedSet("latte").coefficients);
  }

 protected:
  std::unique_ptr<CheckpointSystem> Copy() const override {
    return std::make_unique<LatteSystem>(*this);
  }

  void SetSteps(int steps) final {
    ddim_.steps = info_.steps = steps;
    info_.calls = static_cast<int>(DdimTimesteps(ddim_).size());
  }

  std::unique_ptr<DecoderPart> MakeDecoder(CheckpointParameters* source) const override {
    PrepareDecoderParameters(source);
    std::unique_ptr<VideoDecoder> decoder;
    if (temporal_) {
      decoder = std::make_unique<TemporalDecoder>(source, temporal_config_);
    } else {
      decoder = std::make_unique<AutoencoderKl>(source, picture_config_);
    }
    return std::make_unique<VideoDecoderPart>(std::move(decoder), info_.frames, info_.fps);
  }

 private:
  bool temporal_;
  TemporalDecoderConfig temporal_config_;
  AutoencoderKlConfig picture_config_;
  DdimOptions ddim_;
};

}  // namespace

std::unique_ptr<System> LoadLatteSystem(const SystemOptions& options) {
  return MakeCheckpointSystem<LatteSystem>(options);
}

std::unique_ptr<PromptEncoder> LoadLatteEncoder(const SystemOptions& options) {
  return MakePromptEncoder(options, Folders(), LatteTextRule(options, kMaxTokens), at::kHalf);
}

}  // namespace teacache
