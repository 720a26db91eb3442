#include "runners/bundles/bundle_system.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"
#include "datasets/tensors/torch_device.h"
#include "runners/bundles/bundle_run.h"
#include "runners/bundles/constants.h"
#include "runners/schedulers/scheduler_list.h"
#include "runners/vae/frames.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr double kTimestepTolerance = 1e-5;  // of the largest one

SigmaList SigmasOf(const BundleSchedule& schedule, int steps) {
  static constexpr Choices<SigmaList::Kind, 4> kKinds = {
      {{"scheduler", SigmaList::Kind::kScheduler},
       {"linear", SigmaList::Kind::kLinear},
       {"linear_quadratic", SigmaList::Kind::kLinearQuadratic},
       {"given", SigmaList::Kind::kGiven}}};
  return {.kind = ChoiceOf(kKinds, schedule.sigmas, "bundle.json: sigmas"),
          .steps = steps,
          .given = schedule.given,
          .mu = schedule.mu};
}

class BundleSystem final : public System {
 public:
  BundleSystem(const std::string& folder, const SystemOptions& options)
      : options_(options), device_(ParseDevice(options.device)) {
    auto bundle = std::make_shared<Bundle>();
    bundle->manifest = ReadBundleManifest(folder);
    const BundleManifest& manifest = bundle->manifest;
    CheckOptions(manifest);
    config_ = ParseJson(manifest.scheduler_config, manifest.path);
    CheckSchedule(manifest);
    const int64_t train = JsonFields(config_, manifest.path).Integer("num_train_timesteps", 1000);
    bundle->boundary = manifest.boundary_ratio.value_or(0) * static_cast<double>(train);
    const std::string prompts = options.prompt_embeddings.empty()
                                    ? (fs::path(folder) / manifest.prompts).string()
                                    : options.prompt_embeddings;
    prompts_ = std::make_shared<BundlePrompts>(BundlePrompts::Open(prompts, manifest));
    for (const BundleExpert& expert : manifest.experts) {
      const auto [it, inserted] =
          bundle->models.try_emplace(expert.name, manifest, expert, device_, options.native_code);
      const BundleModel& model = it->second;
      plan_.push_back({expert.name.empty() ? "transformer" : "transformer " + expert.name,
                       manifest.path,
                       model.parameters(),
                       model.weight_bytes(),
                       model.weight_bytes()});
    }
    if (manifest.decoder) {
      const std::string path = (fs::path(folder) / manifest.decoder->file.file).string();
      CheckBundleDigest(path, manifest.decoder->file);
      decoder_ = LoadScriptPart(path, {}, device_);
    }
    bundle_ = std::move(bundle);
    FillInfo();
  }

  const SystemInfo& info() const override { return info_; }
  void CheckPrompt(const std::string& prompt) const override { prompts_->CheckHas(prompt); }

  std::unique_ptr<DenoisingRun> Begin(const std::string& prompt) const override {
    std::map<std::string, double> scales;
    for (const BundleExpert& expert : manifest().experts) scales[expert.name] = ScaleOf(expert);
    auto run = std::make_unique<BundleRun>(
        *bundle_, *prompts_, prompt, MakeScheduler()->Timesteps(), std::move(scales), device_);
    run->KeepAlive(bundle_);
    return run;
  }

  std::unique_ptr<Scheduler> MakeScheduler() const override {
    auto scheduler = MakeOf(manifest(), info_.steps);
    return std::make_unique<TypedScheduler>(std::move(scheduler),
                                            ToScalarType(manifest().step_dtype));
  }

  at::Tensor Noise(int64_t seed) const override {
    const auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(seed));
    return at::randn(manifest().latent_shape, generator, at::kFloat)
        .to(device_, ToScalarType(manifest().noise_dtype));
  }

  bool CanDecode() const override { return decoder_ != nullptr; }
  Video Decode(const at::Tensor& latent) const override {
    if (!CanDecode()) {
      ThrowUserError(manifest().path, "has no decoder: --output latents writes what it would get");
    }
    const std::vector<at::Tensor> frames = decoder_->Run({latent.contiguous()});
    if (frames.size() != 1 || frames[0].dim() != 4 || frames[0].size(1) != 3) {
      ThrowUserError(manifest().path, "the decoder must give frames [T, 3, height, width]");
    }
    return FramesToVideo(frames[0], info_.fps, FrameRounding::kTruncate);
  }

  std::vector<std::string> DemoPrompts(int count) const override {
    const std::vector<std::string>& texts = prompts_->texts();
    return {texts.begin(), texts.begin() + std::min<std::ptrdiff_t>(count, std::ssize(texts))};
  }

  std::vector<PartPlan> Plan() const override { return plan_; }

  std::unique_ptr<System> WithSteps(int steps) const override {
    auto other = std::make_unique<BundleSystem>(*this);
    other->SetSteps(steps);
    return other;
  }

 private:
  // Latents have their type after every step, whatever the scheduler computes in.
  class TypedScheduler final : public Scheduler {
   public:
    TypedScheduler(std::unique_ptr<Scheduler> scheduler, at::ScalarType dtype)
        : scheduler_(std::move(scheduler)), dtype_(dtype) {}
    std::string name() const override { return scheduler_->name(); }
    int num_calls() const override { return scheduler_->num_calls(); }
    int StepOf(int call) const override { return scheduler_->StepOf(call); }
    double TimestepOf(int call) const override { return scheduler_->TimestepOf(call); }
    at::Tensor Step(int call, const at::Tensor& output, const at::Tensor& latent) override {
      return scheduler_->Step(call, output, latent).to(dtype_);
    }

   private:
    std::unique_ptr<Scheduler> scheduler_;
    at::ScalarType dtype_;
  };

  const BundleManifest& manifest() const { return bundle_->manifest; }

  void CheckOptions(const BundleManifest& manifest) const {
    if (!options_.weights.empty()) {
      ThrowUserError("--weights", "is not for bundles, which name their weights");
    }
    const std::string& dtype = manifest.experts.front().dtype;
    if (!options_.dtype.empty() && options_.dtype != dtype) {
      ThrowUserError(
          "--dtype", "must be {}, as {} is, but is {}", dtype, manifest.path, options_.dtype);
    }
    const std::string type = device_.is_cpu() ? "cpu" : "cuda";
    if (manifest.device != type) {
      ThrowUserError("--device",
                     "must be {}, for which {} was exported, but is {}",
                     manifest.device,
                     manifest.path,
                     options_.device);
    }
    if (manifest.guidance.formula == BundleGuidance::Formula::kUnknown) {
      ThrowUserError(manifest.path,
                     "guidance must mix two passes in a known way but has {} and another one",
                     manifest.guidance.passes.size());
    }
    if (!std::isfinite(options_.guidance)) {
      ThrowUserError("--guidance", "must be a finite number but is {}", options_.guidance);
    }
    using Mode = BundleGuidance::Mode;
    const Mode mode = manifest.guidance.mode;
    const bool has = mode != Mode::kNone && manifest.experts.front().guidance_scale.has_value();
    if (options_.guidance >= 0 && !has) {
      ThrowUserError("--guidance", "is not for {}, which has no guidance", manifest.path);
    }
    if (mode == Mode::kEmbedded && options_.guidance >= 0 &&
        *manifest.experts.front().guidance_scale == 0) {
      ThrowUserError("--guidance", "cannot be changed, since the bundle was exported with 0");
    }
  }

  std::unique_ptr<Scheduler> MakeOf(const BundleManifest& manifest, int steps) const {
    return MakeDiffusersScheduler(
        manifest.scheduler, config_, manifest.path, SigmasOf(manifest.schedule, steps));
  }

  // Our scheduler must place the timesteps as the pipeline's did.
  void CheckSchedule(const BundleManifest& manifest) const {
    const BundleSchedule& schedule = manifest.schedule;
    const std::vector<double> ours = MakeOf(manifest, schedule.steps)->Timesteps();
    bool same = ours.size() == schedule.timesteps.size();
    double largest = 0;
    for (const double t : schedule.timesteps) largest = std::max(largest, std::abs(t));
    for (size_t i = 0; same && i < ours.size(); ++i) {
      same = std::abs(ours[i] - schedule.timesteps[i]) <= kTimestepTolerance * largest;
    }
    if (!same) {
      ThrowUserError(manifest.path,
                     "the timesteps of {} must be those that the pipeline had for {} steps but are "
                     "others: the pipeline sets them in a way that is not known",
                     manifest.scheduler,
                     schedule.steps);
    }
  }

  // As BundleRun takes it.
  double ScaleOf(const BundleExpert& expert) const {
    const double own = expert.guidance_scale.value_or(1);
    if (manifest().guidance.mode == BundleGuidance::Mode::kEmbedded) {
      return options_.guidance >= 0 ? options_.guidance / own : 1;
    }
    return options_.guidance >= 0 ? options_.guidance : own;
  }

  void FillInfo() {
    const BundleManifest& manifest = this->manifest();
    info_.name = manifest.model;
    info_.description = fmt::format("bundle of {}", manifest.model);
    info_.weights_digest = manifest.sha256;
    info_.text_encoder_digest = prompts_->sha256();
    for (const PartPlan& part : plan_) info_.parameters += part.parameters;
    info_.dtype = manifest.experts.front().dtype;
    info_.device = options_.device;
    info_.modulated = manifest.experts.front().modulated;
    info_.guidance = options_.guidance >= 0 ? options_.guidance
                                            : manifest.experts.front().guidance_scale.value_or(1);
    info_.width = static_cast<int>(manifest.Argument("width"));
    info_.height = static_cast<int>(manifest.Argument("height"));
    info_.frames = static_cast<int>(std::max<int64_t>(1, manifest.Argument("num_frames")));
    if (manifest.decoder) {
      info_.decoder_digest = manifest.decoder->file.sha256;
      info_.fps = manifest.decoder->fps;
    }
    SetSteps(options_.steps != 0 ? options_.steps : manifest.schedule.steps);
  }

  void SetSteps(int steps) {
    const auto scheduler = MakeOf(manifest(), steps);
    info_.scheduler = scheduler->name();
    info_.steps = steps;
    info_.calls = scheduler->num_calls();
  }

  SystemOptions options_;
  at::Device device_;
  nlohmann::json config_;  // of the scheduler
  std::shared_ptr<const Bundle> bundle_;
  std::shared_ptr<const BundlePrompts> prompts_;
  std::shared_ptr<const PartProgram> decoder_;  // null = none
  std::vector<PartPlan> plan_;
  SystemInfo info_;
};

}  // namespace

std::unique_ptr<System> LoadBundleSystem(const std::string& folder, const SystemOptions& options) {
  return std::make_unique<BundleSystem>(folder, options);
}

}  // namespace teacache
