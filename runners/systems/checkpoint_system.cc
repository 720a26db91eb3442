#include "runners/systems/checkpoint_system.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/torch_device.h"
#include "runners/nn/out_of_memory.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// The folder of a part: `given` by its own flag, or the first of `names` in the weights folder.
std::string FindPart(const std::string& what,
                     const std::string& given,
                     const std::string& weights,
                     const std::vector<std::string>& names) {
  if (!given.empty()) return given;
  if (weights.empty()) {
    ThrowUserError("--weights",
                   "must be the folder of the published weights, with the {} in {}",
                   what,
                   fmt::join(names, " or "));
  }
  for (const std::string& name : names) {
    const fs::path folder = name.empty() ? fs::path(weights) : fs::path(weights) / name;
    if (fs::exists(folder)) return folder.string();
  }
  ThrowUserError(weights,
                 "must hold the {} in a folder named {}, but it is missing",
                 what,
                 fmt::join(names, " or "));
}

at::ScalarType ChooseDtype(const std::string& text, at::Device device, at::ScalarType published) {
  if (!text.empty()) return ParseDtype(text);
  return device.is_cpu() ? at::kFloat : published;
}

}  // namespace

std::unique_ptr<PromptEncoder> MakePromptEncoder(const SystemOptions& options,
                                                 const PartFolders& folders,
                                                 const TextRule& rule,
                                                 at::ScalarType published_dtype) {
  const std::string encoder =
      FindPart("text encoder", options.text_encoder, options.weights, folders.text_encoder);
  // The tokenizer may lie in the encoder's own folder.
  const bool beside = options.tokenizer.empty() && fs::exists(fs::path(encoder) / "spiece.model");
  const std::string tokenizer =
      beside ? encoder
             : FindPart("tokenizer", options.tokenizer, options.weights, folders.tokenizer);
  const at::Device device = ParseDevice(options.device);
  return std::make_unique<PromptEncoder>(
      encoder, tokenizer, rule, ChooseDtype(options.dtype, device, published_dtype), device);
}

CheckpointSystem::CheckpointSystem(const SystemOptions& options,
                                   const PartFolders& folders,
                                   const TextRule& text,
                                   at::ScalarType default_dtype)
    : options_(options),
      folders_(folders),
      text_rule_(text),
      device_(ParseDevice(options.device)),
      dtype_(ChooseDtype(options.dtype, device_, default_dtype)),
      parts_(new Parts{
          {"transformer",
           Checkpoint::Open(
               FindPart("transformer", options.transformer, options.weights, folders.transformer))},
          {"decoder",
           Checkpoint::Open(FindPart("decoder", options.vae, options.weights, folders.decoder))}}) {
  info_.weights_digest = transformer_checkpoint().Digest();
  info_.dtype = DtypeName(dtype_);
  info_.device = options.device;
  info_.modulated = "input";
  info_.prompt_suffix = WithSuffixes("", text_rule_);
}

template <typename T, typename Make>
void CheckpointSystem::CheckPart(const Part<T>& part, const Make& make) {
  CheckpointParameters source = part.checkpoint.Parameters(dtype_, at::kMeta);
  make(&source);
  source.Finish();
  plan_.push_back({part.name,
                   part.checkpoint.weights_path(),
                   source.taken_elements(),
                   part.checkpoint.file_bytes(),
                   source.taken_bytes()});
}

void CheckpointSystem::CheckParts() {
  const at::NoGradGuard no_grad;
  parts_->text = MakeText();
  plan_ = parts_->text->Plan();
  CheckPart(parts_->transformer, [&](CheckpointParameters* source) { MakeTransformer(source); });
  info_.parameters = plan_.back().parameters;
  info_.text_encoder_digest = parts_->text->EncoderDigest();
  info_.decoder_digest = decoder_checkpoint().Digest();
  CheckPart(parts_->decoder, [&](CheckpointParameters* source) { MakeDecoder(source); });
}

std::unique_ptr<PromptSource> CheckpointSystem::MakeText() const {
  if (!options_.prompt_embeddings.empty()) {
    return MakePromptsFileSource(options_.prompt_embeddings, text_rule_, TextChannels());
  }
  auto encoder = MakePromptEncoder(options_, folders_, text_rule_, dtype_);
  if (encoder->channels() != TextChannels()) {
    ThrowUserError(encoder->plan().path,
                   "must give {} channels, as the transformer takes, but gives {}",
                   TextChannels(),
                   encoder->channels());
  }
  return MakeEncoderSource(std::move(encoder));
}

template <typename T, typename Make>
std::shared_ptr<const T> CheckpointSystem::Use(Part<T>* part, const Make& make) const {
  const std::lock_guard lock(parts_->mutex);
  MakeRoom(part);
  if (!part->loaded) {
    const at::NoGradGuard no_grad;
    part->loaded = NamingPart(part->name, [&] {
      CheckpointParameters source = part->checkpoint.Parameters(dtype_, device_);
      if (options_.offload && !device_.is_cpu()) source.KeepConverted(&part->converted);
      std::shared_ptr<const T> model = make(&source);
      source.Finish();
      return model;
    });
  }
  return part->loaded;
}

void CheckpointSystem::MakeRoom(const void* needed) const {
  if (!options_.offload) return;
  if (needed != &parts_->transformer) parts_->transformer.loaded.reset();
  if (needed != &parts_->decoder) parts_->decoder.loaded.reset();
  if (needed != parts_->text.get()) parts_->text->Release();
}

void CheckpointSystem::CheckPrompt(const std::string& prompt) const {
  CheckPromptText(prompt, text_rule_);
  parts_->text->Check(prompt);
}

void CheckpointSystem::Prepare(const std::vector<std::string>& prompts,
                               ProgressSink* progress) const {
  const std::lock_guard lock(parts_->mutex);
  MakeRoom(parts_->text.get());
  NamingPart("text encoder", [&] { parts_->text->Prepare(prompts, progress); });
}

std::unique_ptr<DenoisingRun> CheckpointSystem::Begin(const std::string& prompt) const {
  const at::NoGradGuard no_grad;
  const PromptEmbedding text = [&] {
    const std::lock_guard lock(parts_->mutex);
    if (!parts_->text->Ready(prompt)) MakeRoom(parts_->text.get());
    return NamingPart("text encoder", [&] { return parts_->text->Get(prompt); });
  }();
  const std::shared_ptr<const TransformerPart> transformer = Use(
      &parts_->transformer, [&](CheckpointParameters* source) { return MakeTransformer(source); });
  std::unique_ptr<DenoisingRun> run = NamingPart(parts_->transformer.name, [&] {
    return transformer->Begin(text, MakeScheduler()->Timesteps());
  });
  run->KeepAlive(transformer);
  return run;
}

at::Tensor CheckpointSystem::Noise(int64_t seed) const {
  const auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(seed));
  return at::randn(LatentShape(), generator, at::kFloat).to(device_, dtype_);
}

Video CheckpointSystem::Decode(const at::Tensor& latent) const {
  const at::NoGradGuard no_grad;
  const std::shared_ptr<const DecoderPart> decoder =
      Use(&parts_->decoder, [&](CheckpointParameters* source) { return MakeDecoder(source); });
  return NamingPart(parts_->decoder.name, [&] { return decoder->Decode(latent); });
}

std::unique_ptr<System> CheckpointSystem::WithSteps(int steps) const {
  std::unique_ptr<CheckpointSystem> other = Copy();
  other->SetSteps(steps);
  return other;
}

}  // namespace teacache
