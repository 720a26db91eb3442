#include "runners/training/shapes_training.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/tensors/torch_tensors.h"
#include "runners/training/shapes_data.h"
#include "runners/training/shapes_pool.h"

namespace teacache {
namespace {

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

// 1 where the object is: pixels that differ from the top left corner's colour. [N, 1, 64, 64].
at::Tensor ObjectMask(const at::Tensor& frames) {
  const at::Tensor corner = frames.slice(2, 0, 1).slice(3, 0, 1);
  return ((frames - corner).abs().sum(1, /*keepdim=*/true) > 0.05).to(at::kFloat);
}

// L1, squares and differences of neighbours; `weight` is broadcast over pixels.
at::Tensor PixelLoss(const at::Tensor& decoded,
                     const at::Tensor& frames,
                     const at::Tensor& weight) {
  const at::Tensor error = decoded - frames;
  const int64_t size = error.size(-1);
  const auto gradient = [&](int64_t dim) {
    return (error.slice(dim, 1, size) - error.slice(dim, 0, size - 1)).abs().mean();
  };
  return (error.abs() * weight).mean() + (error.square() * weight).mean() + gradient(2) +
         gradient(3);
}

at::Tensor ColumnMean(const at::Tensor& x) { return x.mean(at::IntArrayRef{0}); }
at::Tensor ColumnStd(const at::Tensor& x) { return x.std(at::IntArrayRef{0}, /*unbiased=*/true); }

class ShapesTrainer {
 public:
  ShapesTrainer(const ShapesTrainingOptions& options, const ShapesTrainingHooks& hooks)
      : options_(options), hooks_(hooks), pool_(options, hooks.stop) {}

  ShapesWeights Run() {
    MakeFolders(options_.work_folder);
    RandomParameters autoencoder_source(MixSeed(options_.seed, 0, 0, 0));
    const ShapesAutoencoder autoencoder(&autoencoder_source, options_.autoencoder);
    TensorMap parameters = autoencoder_source.tensors();
    ShapesWeights weights;
    for (const auto& [name, train] : {std::pair{"frame", &ShapesTrainer::TrainFrames},
                                      std::pair{"frame-decoder", &ShapesTrainer::TrainFrameDecoder},
                                      std::pair{"code", &ShapesTrainer::TrainCode},
                                      std::pair{"decoder", &ShapesTrainer::TrainDecoders}}) {
      const std::string finished = Path(std::string(name) + ".safetensors");
      if (std::filesystem::exists(finished)) {
        parameters = LoadFinished(finished);
        for (auto& [key, tensor] : parameters) tensor = tensor.to(options_.device);
        continue;
      }
      parameters = (this->*train)(std::move(parameters));
      if (Stopped()) return weights;
      SaveTensors(finished, parameters, {{"settings", AutoencoderSettings()}});
    }
    weights.autoencoder = parameters;
    TrainTransformer(&weights);
    weights.finished = weights.transformer_steps == options_.transformer_steps;
    return weights;
  }

 private:
  bool Stopped() const { return hooks_.stop && hooks_.stop(); }

  std::string Path(const std::string& name) const {
    return (std::filesystem::path(options_.work_folder) / name).string();
  }

  // Everything that shapes the autoencoder and the pool.
  std::string AutoencoderSettings() const {
    return fmt::format(
        "seed {} replicas {} bf16 {} steps {} {} {} {} pool {} batches {} {} code {} {} {}",
        options_.seed,
        options_.replicas,
        options_.bf16,
        options_.frame_steps,
        options_.decoder_steps,
        options_.code_steps,
        options_.refine_steps,
        options_.pool_videos,
        options_.frame_batch,
        options_.code_batch,
        options_.code_alignment,
        options_.code_smoothness,
        options_.code_noise);
  }

  // Tensors of a finished stage; they must come from a run with the same settings.
  TensorMap LoadFinished(const std::string& path) const {
    const auto metadata = SafetensorsFile::Open(path).metadata();
    const auto it = metadata.find("settings");
    if (it == metadata.end() || it->second != AutoencoderSettings()) {
      ThrowUserError(path, "was made with other settings: remove it or choose another work folder");
    }
    return LoadTensors(path);
  }

  TrainingOptions StageOptions(const std::string& stage, int64_t steps, double rate) const {
    TrainingOptions options;
    options.stage = stage;
    options.steps = steps;
    options.replicas = options_.replicas;
    options.learning_rate = rate;
    options.bf16 = options_.bf16;
    options.device = options_.device;
    options.checkpoint_path = Path(stage + ".checkpoint.safetensors");
    options.settings = fmt::format("seed {} replicas {} steps {} rate {} pool {} batches {} {} {}",
                                   options_.seed,
                                   options_.replicas,
                                   steps,
                                   rate,
                                   options_.pool_videos,
                                   options_.frame_batch,
                                   options_.code_batch,
                                   options_.transformer_batch);
    return options;
  }

  TrainingObserver Reporter(const TrainingOptions& options) const {
    return [this, &options](const TrainingProgress& progress) {
      if (!hooks_.report) return;
      hooks_.report({options.stage,
                     progress.step,
                     options.steps,
                     progress.first_step,
                     progress.loss,
                     progress.seconds,
                     progress.rate});
    };
  }

  // Stage 1. Latents are standardised by the batch while the encoder moves.
  TensorMap TrainFrames(TensorMap parameters) {
    const auto loss = [this](const TensorMap& tensors, int64_t step, int replica) {
      const uint64_t seed = MixSeed(options_.seed, ShapesStage::kFrame, step, replica);
      SharedParameters source(tensors);
      const FrameAutoencoder model(&source, options_.autoencoder);
      const at::Tensor x =
          ChannelsLast(RandomShapesFrames(options_.frame_batch, seed).frames.to(options_.device));
      const at::Tensor raw = model.EncodeRaw(x);
      const at::Tensor mean = raw.mean({0, 2, 3}, /*keepdim=*/true);
      const at::Tensor std = raw.std(at::IntArrayRef{0, 2, 3}, /*unbiased=*/true, /*keepdim=*/true);
      const at::Tensor z = (raw - mean) / (std + 1e-4);
      return PixelLoss(model.Decode(z + LatentNoise(z, 0.5, seed)), x, 1 + 4 * ObjectMask(x));
    };
    TrainingOptions options = StageOptions("frame", options_.frame_steps, 1.5e-3);
    options.decay_share = 0.0;
    options.final_share = 1.0;
    parameters = TrainPart(std::move(parameters), "frame.", loss, options);
    SetLatentStatistics(&parameters);
    return parameters;
  }

  // Stage 2.
  TensorMap TrainFrameDecoder(TensorMap parameters) {
    const auto loss = [this](const TensorMap& tensors, int64_t step, int replica) {
      const uint64_t seed = MixSeed(options_.seed, ShapesStage::kFrameDecoder, step, replica);
      SharedParameters source(tensors);
      const FrameAutoencoder model(&source, options_.autoencoder);
      const at::Tensor x =
          ChannelsLast(RandomShapesFrames(options_.frame_batch, seed).frames.to(options_.device));
      const at::Tensor z = model.Encode(x).detach();
      return PixelLoss(model.Decode(z + LatentNoise(z, 0.5, seed)), x, 1 + 4 * ObjectMask(x));
    };
    TrainingOptions options = StageOptions("frame-decoder", options_.decoder_steps, 1.5e-3);
    options.decay_share = 0.8;
    return TrainPart(std::move(parameters), "frame.decoder.", loss, options);
  }

  // Stage 3: squared error of the latents, small objects weighted; plus a linear read-out of the
  // scene's factors and a penalty on wiggles in time, which keep the code straight: diffusion
  // stalls on a curled one.
  TensorMap TrainCode(TensorMap parameters) {
    pool_.Render(parameters);
    if (Stopped()) return parameters;  // the pool may have holes: no step may be made from it
    RandomParameters readout_source(MixSeed(options_.seed, ShapesStage::kCode, 1, 0));
    MakeLinear(&readout_source, "readout", options_.autoencoder.code_size, kShapesFactors);
    for (const auto& [name, tensor] : readout_source.tensors()) parameters[name] = tensor;
    const auto loss = [this](const TensorMap& tensors, int64_t step, int replica) {
      const uint64_t seed = MixSeed(options_.seed, ShapesStage::kCode, step, replica);
      SharedParameters source(tensors);
      const FrameCoder model(&source, options_.autoencoder);
      const Linear readout =
          MakeLinear(&source, "readout", options_.autoencoder.code_size, kShapesFactors);
      at::Generator generator = Generator(seed);
      const at::Tensor rows = pool_.RandomWindows(options_.code_batch, generator);
      const at::Tensor x = pool_.latents().index_select(0, rows).to(options_.device, at::kFloat);
      const at::Tensor raw = model.EncodeRaw(x);
      const at::Tensor z = (raw - ColumnMean(raw)) / (ColumnStd(raw) + 1e-4);
      const at::Tensor sigma = at::rand({z.size(0), 1}, generator) * options_.code_noise;
      const at::Tensor noise = (at::randn(z.sizes(), generator) * sigma).to(options_.device);
      const at::Tensor error = (model.Decode(z + noise) - x).square().mean(1);
      const at::Tensor radius = pool_.radius().index_select(0, rows).to(options_.device);
      const at::Tensor weight = (12.5 / radius).clamp(0.5, 3).pow(1.5);
      const at::Tensor factors = pool_.factors().index_select(0, rows).to(options_.device);
      const at::Tensor windows = z.view({-1, ShapesPool::kWindow, z.size(1)});
      const at::Tensor wiggle = windows.diff(/*n=*/2, /*dim=*/1);
      return (error * weight).mean() +
             options_.code_alignment * (readout(z) - factors).square().mean() +
             options_.code_smoothness * wiggle.square().mean();
    };
    TrainingOptions options = StageOptions("code", options_.code_steps, 2e-3);
    options.warmup_steps = 200;
    options.decay_share = 0.6;
    options.final_share = 0.01;
    const auto trainable = [](const std::string& name) {
      return StartsWith(name, "code.") ? !IsStatistic(name) : StartsWith(name, "readout.");
    };
    parameters = TrainParts(std::move(parameters), trainable, loss, options);
    parameters.erase("readout.weight");
    parameters.erase("readout.bias");
    SetCodeStatistics(&parameters);
    return parameters;
  }

  // Stage 4: codes stay what they are; small objects weigh more.
  TensorMap TrainDecoders(TensorMap parameters) {
    const auto loss = [this](const TensorMap& tensors, int64_t step, int replica) {
      const uint64_t seed = MixSeed(options_.seed, ShapesStage::kDecoder, step, replica);
      SharedParameters source(tensors);
      const ShapesAutoencoder model(&source, options_.autoencoder);
      const at::Tensor x =
          ChannelsLast(RandomShapesFrames(options_.frame_batch, seed).frames.to(options_.device));
      const at::Tensor z = model.EncodeFrames(x).detach();
      const at::Tensor decoded = model.DecodeFrames(z + LatentNoise(z, 0.15, seed));
      const at::Tensor mask = ObjectMask(x);
      const at::Tensor area = mask.sum({1, 2, 3}, /*keepdim=*/true);
      return PixelLoss(decoded, x, 1 + 4 * mask * (400 / (area + 30)).clamp(0.5, 4));
    };
    TrainingOptions options = StageOptions("decoder", options_.refine_steps, 7e-4);
    options.decay_share = 0.7;
    options.final_share = 0.01;
    const auto trainable = [](const std::string& name) {
      return StartsWith(name, "frame.decoder.") || StartsWith(name, "code.decoder.");
    };
    return TrainParts(std::move(parameters), trainable, loss, options);
  }

  // Stage 5: rectified flow, z = (1 - t) x0 + t noise, velocity x0 - noise.
  void TrainTransformer(ShapesWeights* weights) {
    MakeCodes(weights->autoencoder);
    if (!codes_.defined()) return;
    RandomParameters source(MixSeed(options_.seed, ShapesStage::kTransformer, 0, 0));
    const ShapesTransformer initial(&source, options_.transformer);
    const auto loss = [this](const TensorMap& tensors, int64_t step, int replica) {
      SharedParameters shared(tensors);
      const ShapesTransformer model(&shared, options_.transformer);
      const int64_t batch = options_.transformer_batch;
      at::Generator generator =
          Generator(MixSeed(options_.seed, ShapesStage::kTransformer, step + 1, replica));
      const at::Tensor rows = at::randint(codes_.size(0), {batch}, generator, at::kLong);
      const at::Tensor drop = at::rand({batch, 1}, generator) < options_.null_share;
      const at::Tensor t = at::sigmoid(at::randn({batch}, generator) + 0.8);
      const at::Tensor x0 = codes_.index_select(0, rows);
      const at::Tensor noise = at::randn(x0.sizes(), generator);
      const at::Tensor words =
          at::where(drop, ShapesTransformer::kNullWord, words_.index_select(0, rows));
      const at::Tensor mix = t.view({-1, 1, 1, 1, 1});
      const at::Tensor z = (1 - mix) * x0 + mix * noise;
      const at::Device device = options_.device;
      const at::Tensor velocity =
          model(z.to(device), t.to(device), words.to(device), AttentionKernel::kPlain);
      return (velocity - (x0 - noise).to(device)).square().mean();
    };
    TrainingOptions options =
        StageOptions("transformer", options_.transformer_steps, options_.transformer_rate);
    options.warmup_steps = 150;
    options.decay_share = options_.transformer_decay;
    const TrainingObserver report = Reporter(options);
    const auto observe = [&](const TrainingProgress& progress) {
      report(progress);
      if (progress.step % hooks_.sample_every == 0 || progress.step == options.steps) {
        Sample(progress, *weights);
      }
    };
    const TrainedParameters trained = Train(
        source.tensors(),
        [](const std::string&) { return true; },
        loss,
        options,
        observe,
        hooks_.stop);
    weights->transformer = trained.ema;
    weights->transformer_loss = trained.last_loss;
    weights->transformer_steps = trained.steps;
  }

  void Sample(const TrainingProgress& progress, const ShapesWeights& weights) const {
    if (!hooks_.sample) return;
    const at::NoGradGuard no_grad;
    SharedParameters transformer_source(*progress.ema);
    SharedParameters autoencoder_source(weights.autoencoder);
    hooks_.sample(progress.step,
                  ShapesTransformer(&transformer_source, options_.transformer),
                  ShapesAutoencoder(&autoencoder_source, options_.autoencoder));
  }

  // Random noise with a sigma of its own per sample, up to `largest`.
  at::Tensor LatentNoise(const at::Tensor& z, double largest, uint64_t seed) const {
    at::Generator generator = Generator(seed + 1);
    std::vector<int64_t> per_sample(z.dim(), 1);
    per_sample[0] = z.size(0);
    const at::Tensor sigma = at::rand(per_sample, generator) * largest;
    return (at::randn(z.sizes(), generator) * sigma).to(z.device());
  }

  static bool IsStatistic(const std::string& name) {
    return name.ends_with(".mean") || name.ends_with(".std");
  }

  TensorMap TrainPart(TensorMap parameters,
                      const std::string& prefix,
                      const LossFunction& loss,
                      const TrainingOptions& options) {
    return TrainParts(
        std::move(parameters),
        [&](const std::string& name) { return StartsWith(name, prefix) && !IsStatistic(name); },
        loss,
        options);
  }

  TensorMap TrainParts(TensorMap parameters,
                       const std::function<bool(const std::string&)>& trainable,
                       const LossFunction& loss,
                       const TrainingOptions& options) {
    return Train(parameters, trainable, loss, options, Reporter(options), hooks_.stop).ema;
  }

  void SetLatentStatistics(TensorMap* parameters) const {
    const at::NoGradGuard no_grad;
    SharedParameters source(*parameters);
    const FrameAutoencoder model(&source, options_.autoencoder);
    const uint64_t seed = MixSeed(options_.seed, ShapesStage::kFrame, ~0ULL, 0);
    const at::Tensor raw =
        model.EncodeRaw(ChannelsLast(RandomShapesFrames(1024, seed).frames.to(options_.device)));
    (*parameters)["frame.mean"] = raw.mean({0, 2, 3});
    (*parameters)["frame.std"] = raw.std(at::IntArrayRef{0, 2, 3}, /*unbiased=*/true);
  }

  void SetCodeStatistics(TensorMap* parameters) const {
    const at::NoGradGuard no_grad;
    SharedParameters source(*parameters);
    const FrameCoder model(&source, options_.autoencoder);
    const at::Tensor raw = model.EncodeRaw(pool_.HeldOut().to(options_.device, at::kFloat));
    (*parameters)["code.mean"] = ColumnMean(raw);
    (*parameters)["code.std"] = ColumnStd(raw);
  }

  // Codes and words of the pool's videos, kept in a file for resuming.
  void MakeCodes(const TensorMap& parameters) {
    const std::string path = Path("codes.safetensors");
    if (std::filesystem::exists(path)) {
      TensorMap tensors = LoadFinished(path);
      codes_ = tensors.at("codes");
      words_ = tensors.at("words");
      return;
    }
    pool_.Render(parameters);
    if (Stopped()) return;  // the pool may have holes
    codes_ = pool_.Codes(parameters);
    words_ = pool_.words();
    pool_.ReleaseLatents();
    SaveTensors(
        path, {{"codes", codes_}, {"words", words_}}, {{"settings", AutoencoderSettings()}});
  }

  const ShapesTrainingOptions& options_;
  const ShapesTrainingHooks& hooks_;
  ShapesPool pool_;
  at::Tensor codes_;  // ShapesPool::Codes
  at::Tensor words_;  // ShapesPool::words
};

}  // namespace

void ShapesTrainingOptions::Validate() const {
  const std::string where = "train-shapes";
  if (work_folder.empty()) ThrowUserError(where, "a work folder must be given");
  if (replicas < 1) ThrowUserError(where, "replicas must be at least 1 but is {}", replicas);
  if (pool_videos < 512 || pool_videos % ShapesPool::kVideosPerChunk != 0) {
    ThrowUserError(where,
                   "pool must be a multiple of {} and at least 512 videos but is {}",
                   ShapesPool::kVideosPerChunk,
                   pool_videos);
  }
  for (const int64_t steps :
       {frame_steps, decoder_steps, code_steps, refine_steps, transformer_steps}) {
    if (steps < 1) ThrowUserError(where, "steps must be at least 1 but is {}", steps);
  }
  if (transformer.channels * transformer.side * transformer.side != autoencoder.code_size) {
    ThrowUserError(where, "code size must be channels x side x side");
  }
}

ShapesWeights TrainShapes(const ShapesTrainingOptions& options, const ShapesTrainingHooks& hooks) {
  options.Validate();
  return ShapesTrainer(options, hooks).Run();
}

}  // namespace teacache
