#include "runners/systems/open_sora_plan_system.h"

#include "calib/published_coefficients.h"
#include "datasets/base/error.h"
#include "runners/schedulers/pndm.h"
#include "runners/systems/latte_t2v_system.h"
#include "runners/systems/video_decoder_part.h"
#include "runners/vae/causal_vae.h"

namespace teacache {
namespace {

constexpr int kDefaultSteps = 150;
constexpr int kMaxTokens = 300;
constexpr double kFps = 24;

const PartFolders& Folders() {
  static const PartFolders kFolders = {.transformer = {"65x512x512", "transformer"},
                                       .text_encoder = {"t5-v1_1-xxl", "text_encoder"},
                                       .tokenizer = {"t5-v1_1-xxl", "tokenizer"}};
  return kFolders;
}

class OpenSoraPlanSystem final : public LatteT2VSystem {
 public:
  explicit OpenSoraPlanSystem(const SystemOptions& options)
      : LatteT2VSystem(
            options, Folders(), LatteTextRule(options, kMaxTokens), /*open_sora_plan=*/true),
        vae_(CausalVaeConfig::FromJson(
            {decoder_checkpoint().config(), decoder_checkpoint().config_path()})) {
    ChooseSize(vae_.SpaceFactor());
    // The first latent frame is one frame.
    info_.frames = static_cast<int>((config().video_length - 1) * vae_.TimeFactor() + 1);
    if (options.frames != 0 && options.frames != info_.frames) {
      ThrowUserError("--frames",
                     "must be the {} that the transformer was trained for (video_length {} in {}) "
                     "but is {}; other lengths have a transformer of their own",
                     info_.frames,
                     config().video_length,
                     transformer_checkpoint().config_path(),
                     options.frames);
    }
    SetSteps(options.steps != 0 ? options.steps : kDefaultSteps);
    info_.name = "open-sora-plan";
    info_.description = "Open-Sora-Plan 1.1";
    info_.scheduler = "pndm";
    info_.fps = kFps;
  }

  std::unique_ptr<Scheduler> MakeScheduler() const override { return MakePndmScheduler(pndm_); }
  std::optional<Polynomial> PublishedCoefficients() const override {
    return Polynomial(FindPublishedSet("open-sora-plan-1.1").coefficients);
  }

 protected:
  std::unique_ptr<CheckpointSystem> Copy() const override {
    return std::make_unique<OpenSoraPlanSystem>(*this);
  }

  void SetSteps(int steps) final {
    pndm_.steps = info_.steps = steps;
    info_.calls = static_cast<int>(PndmTimesteps(pndm_).size());
  }

  std::unique_ptr<DecoderPart> MakeDecoder(CheckpointParameters* source) const override {
    PrepareDecoderParameters(source);
    return std::make_unique<VideoDecoderPart>(
        std::make_unique<CausalVae>(source, vae_), info_.frames, info_.fps);
  }

 private:
  CausalVaeConfig vae_;
  PndmOptions pndm_;
};

}  // namespace

std::unique_ptr<System> LoadOpenSoraPlanSystem(const SystemOptions& options) {
  return MakeCheckpointSystem<OpenSoraPlanSystem>(options);
}

std::unique_ptr<PromptEncoder> LoadOpenSoraPlanEncoder(const SystemOptions& options) {
  return MakePromptEncoder(options, Folders(), LatteTextRule(options, kMaxTokens), at::kHalf);
}

}  // namespace teacache
