#include "runners/systems/shapes_system.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "datasets/base/error.h"
#include "datasets/shapes/shapes_scene.h"
#include "datasets/tensors/torch_device.h"
#include "runners/sampling/first_block.h"
#include "runners/schedulers/rflow.h"
#include "runners/systems/shapes_weights.h"
#include "runners/vae/frames.h"

namespace teacache {
namespace {

constexpr int kDefaultSteps = 30;
constexpr double kDefaultGuidance = 2.0;
constexpr uint64_t kDemoSeed = 2024;

class ShapesRun : public DenoisingRun, public FirstBlockRun {
 public:
  ShapesRun(const ShapesTransformer& model,
            const ShapesPrompt& prompt,
            const std::vector<float>& timesteps,
            double guidance)
      : model_(model), guidance_(guidance) {
    const at::NoGradGuard no_grad;
    at::Tensor words = ShapesWordIds(prompt).unsqueeze(0);
    if (guided()) {
      words = at::cat({words, at::full_like(words, ShapesTransformer::kNullWord)});
    }
    condition_ = model.Prepare(words.to(model.device()));
    const auto options = condition_.y.options().dtype(at::kFloat);
    for (const float timestep : timesteps) {
      timings_.push_back(
          model.AtTime(at::full({words.size(0)}, timestep / 1000.0, options), condition_));
    }
  }

  std::vector<std::string> branches() const override { return {"batched"}; }

  Embedding Embed(int call, int /*branch*/, const at::Tensor& latent, bool with_signal) override {
    Embedding embedding;
    const at::Tensor x = model_.Embed(Batch(latent));
    if (with_signal) embedding.modulated = model_.ModulatedInput(x, timings_[call]);
    embedding.streams = {x};
    return embedding;
  }

  std::vector<at::Tensor> Blocks(int call,
                                 int /*branch*/,
                                 const std::vector<at::Tensor>& streams) override {
    return Run(call, streams, {});
  }
  std::vector<at::Tensor> FirstBlock(int call,
                                     int /*branch*/,
                                     const std::vector<at::Tensor>& streams) override {
    return Run(call, streams, BlockRange::First());
  }
  std::vector<at::Tensor> OtherBlocks(int call,
                                      int /*branch*/,
                                      const std::vector<at::Tensor>& streams) override {
    return Run(call, streams, BlockRange::AfterFirst());
  }

  at::Tensor Head(int call,
                  int /*branch*/,
                  const std::vector<at::Tensor>& streams,
                  const at::Tensor& latent) override {
    return model_.Head(streams[0], Batch(latent), timings_[call]);
  }

  at::Tensor Guide(const std::vector<at::Tensor>& predictions) override {
    if (!guided()) return predictions[0];
    const std::vector<at::Tensor> halves = predictions[0].chunk(2);  // [cond, uncond]
    return halves[1] + (halves[0] - halves[1]) * guidance_;
  }

 private:
  std::vector<at::Tensor> Run(int call,
                              const std::vector<at::Tensor>& streams,
                              BlockRange range) const {
    return {model_.Blocks(streams[0], condition_, timings_[call], AttentionKernel::kFused, range)};
  }
  bool guided() const { return guidance_ != 1; }
  at::Tensor Batch(const at::Tensor& latent) const {
    return guided() ? at::cat({latent, latent}) : latent;
  }

  const ShapesTransformer& model_;
  double guidance_;
  ShapesTransformer::Condition condition_;
  std::vector<ShapesTransformer::Timing> timings_;  // of every call
};

class ShapesSystem : public System {
 public:
  ShapesSystem(std::shared_ptr<const ShapesModel> model, const SystemOptions& options)
      : model_(std::move(model)), options_(options), device_(ParseDevice(options.device)) {
    rflow_.steps = options.steps != 0 ? options.steps : kDefaultSteps;
    if (!std::isfinite(options.guidance)) {
      ThrowUserError("--guidance", "must be a finite number but is {}", options.guidance);
    }
    rflow_.Validate();
    timesteps_ = RflowTimesteps(rflow_);
    info_.name = "shapes";
    info_.description = "embedded text-to-video model of moving shapes";
    info_.weights_digest = model_->transformer_digest;
    info_.decoder_digest = model_->autoencoder_digest;
    info_.parameters = model_->transformer_parameters;
    info_.scheduler = "rflow";
    info_.dtype = options.dtype.empty() ? "float32" : options.dtype;
    info_.device = options.device;
    info_.modulated = "input";
    info_.steps = rflow_.steps;
    info_.calls = rflow_.steps;
    info_.guidance = options.guidance < 0 ? kDefaultGuidance : options.guidance;
    info_.width = kShapesSize;
    info_.height = kShapesSize;
    info_.frames = kShapesFrames;
    info_.fps = kShapesFps;
  }

  const SystemInfo& info() const override { return info_; }
  void CheckPrompt(const std::string& prompt) const override { ParseShapesPrompt(prompt); }

  std::vector<std::string> DemoPrompts(int count) const override {
    ShapesRng rng(kDemoSeed);
    std::vector<std::string> prompts;
    while (static_cast<int>(prompts.size()) < std::min(count, ShapesPromptCount())) {
      std::string prompt = ShapesText(RandomShapesPrompt(&rng));
      if (std::find(prompts.begin(), prompts.end(), prompt) == prompts.end()) {
        prompts.push_back(std::move(prompt));
      }
    }
    return prompts;
  }

  std::optional<SceneCheck> CheckScene(const std::string& prompt,
                                       const Video& video) const override {
    const ShapesPrompt asked = ParseShapesPrompt(prompt);
    const ShapesObservation seen = ObserveShapes(video, asked);
    const ShapesAdherence right = MeasureShapesAdherence({asked}, {seen});
    return SceneCheck{{{"size", right.size == 1},
                       {"color", right.color == 1},
                       {"shape", right.shape == 1},
                       {"motion", right.motion == 1},
                       {"speed", right.speed == 1},
                       {"background", right.background == 1},
                       {"all", right.all == 1}},
                      right.overlap};
  }

  std::unique_ptr<DenoisingRun> Begin(const std::string& prompt) const override {
    return std::make_unique<ShapesRun>(
        model_->transformer, ParseShapesPrompt(prompt), timesteps_, info_.guidance);
  }

  std::unique_ptr<Scheduler> MakeScheduler() const override { return MakeRflowScheduler(rflow_); }

  at::Tensor Noise(int64_t seed) const override {
    std::vector<int64_t> shape = model_->transformer.config().LatentShape();
    shape.insert(shape.begin(), 1);
    const auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(seed));
    return at::randn(shape, generator, at::kFloat).to(device_);
  }

  std::unique_ptr<System> WithSteps(int steps) const override {
    SystemOptions options = options_;
    options.steps = steps;
    return std::make_unique<ShapesSystem>(model_, options);
  }

  Video Decode(const at::Tensor& latent) const override {
    const at::NoGradGuard no_grad;
    return FramesToVideo(model_->autoencoder.DecodeVideo(latent)[0], kShapesFps);
  }

 private:
  std::shared_ptr<const ShapesModel> model_;
  SystemOptions options_;
  at::Device device_;
  RflowOptions rflow_;
  std::vector<float> timesteps_;
  SystemInfo info_;
};

}  // namespace

std::unique_ptr<System> LoadShapesSystem(const SystemOptions& options) {
  const std::string folder =
      options.weights.empty() ? DefaultShapesWeightsFolder() : options.weights;
  auto model = std::make_shared<const ShapesModel>(
      LoadShapesModel(folder, ParseDtype(options.dtype), ParseDevice(options.device)));
  return std::make_unique<ShapesSystem>(std::move(model), options);
}

}  // namespace teacache
