#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runners/nn/checkpoint.h"
#include "runners/sampling/denoising_run.h"
#include "runners/systems/system.h"
#include "runners/text/prompt_embedding.h"
#include "runners/text/prompt_encoder.h"
#include "runners/text/prompt_source.h"

namespace teacache {

// What the published text-to-video systems share: a text encoder, a transformer and a decoder, each
// a Checkpoint, built when first needed, in one dtype on one device. With SystemOptions::offload
// only one of them is on the device at a time; the others wait on the CPU.
//
// A new system is one file: a subclass that fills `info_` and the virtual functions below, and a
// load function made of MakeCheckpointSystem, in the list of system.cc.

// A loaded transformer. Immutable, used by several threads at once.
class TransformerPart {
 public:
  virtual ~TransformerPart() = default;
  // `text` is on the CPU in any floating type: put it into the model's dtype and device.
  // `timesteps` are those of the run's scheduler.
  virtual std::unique_ptr<DenoisingRun> Begin(const PromptEmbedding& text,
                                              const std::vector<double>& timesteps) const = 0;
};

// A loaded decoder. Immutable, used by several threads at once.
class DecoderPart {
 public:
  virtual ~DecoderPart() = default;
  virtual Video Decode(const at::Tensor& latent) const = 0;
};

// Where a system's parts lie: names tried in SystemOptions::weights, first hit wins; "" = the
// folder itself.
struct PartFolders {
  std::vector<std::string> transformer = {"transformer"};
  std::vector<std::string> decoder = {"vae"};
  std::vector<std::string> text_encoder = {"text_encoder"};
  std::vector<std::string> tokenizer = {"tokenizer"};  // unless spiece.model lies by the encoder
};

// The text encoder of a system, found as its other parts are. `published_dtype` as in
// CheckpointSystem's constructor.
std::unique_ptr<PromptEncoder> MakePromptEncoder(const SystemOptions& options,
                                                 const PartFolders& folders,
                                                 const TextRule& rule,
                                                 at::ScalarType published_dtype);

class CheckpointSystem : public System {
 public:
  const SystemInfo& info() const final { return info_; }
  void CheckPrompt(const std::string& prompt) const final;
  void Prepare(const std::vector<std::string>& prompts, ProgressSink* progress) const final;
  std::unique_ptr<DenoisingRun> Begin(const std::string& prompt) const final;
  // Standard normal numbers of LatentShape(), in the model's dtype.
  at::Tensor Noise(int64_t seed) const final;
  Video Decode(const at::Tensor& latent) const final;
  std::vector<PartPlan> Plan() const final { return plan_; }
  std::unique_ptr<System> WithSteps(int steps) const final;

  // Builds every part without values: wrong or missing tensors of any part are found before the
  // first gigabyte is read. Fills Plan(). Throws UserError.
  void CheckParts();

 protected:
  // Opens the transformer's and decoder's folders (headers only). `default_dtype` is the published
  // one; on the CPU float32 is the default, which is faster there.
  CheckpointSystem(const SystemOptions& options,
                   const PartFolders& folders,
                   const TextRule& text,
                   at::ScalarType default_dtype);

  // The shape of one latent with its batch dimension of 1.
  virtual std::vector<int64_t> LatentShape() const = 0;
  // Build a part from `source`, whose Finish() is called afterwards; call its Ignore(), Rename(),
  // ... first. In CheckParts() the tensors are on at::kMeta, so a constructor must not look at
  // values.
  virtual std::unique_ptr<TransformerPart> MakeTransformer(CheckpointParameters* source) const = 0;
  virtual std::unique_ptr<DecoderPart> MakeDecoder(CheckpointParameters* source) const = 0;
  // A copy of the object, which shares what is loaded.
  virtual std::unique_ptr<CheckpointSystem> Copy() const = 0;
  // The scheduler of so many steps; fills info_.steps and info_.calls. Throws UserError.
  virtual void SetSteps(int steps) = 0;
  // Channels of the text embeddings (caption_channels of the transformer's config).
  virtual int64_t TextChannels() const = 0;

  const Checkpoint& transformer_checkpoint() const { return parts_->transformer.checkpoint; }
  const Checkpoint& decoder_checkpoint() const { return parts_->decoder.checkpoint; }
  const SystemOptions& options() const { return options_; }
  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

  // Name, description, scheduler, steps, calls, guidance, size and fps are for the subclass to
  // fill; the rest is filled here.
  SystemInfo info_;

 private:
  template <typename T>
  struct Part {
    const char* name;
    Checkpoint checkpoint;
    std::shared_ptr<const T> loaded = nullptr;
    TensorMap converted = {};  // on the CPU, with offload to another device
  };
  // Shared by systems that differ in their steps only.
  struct Parts {
    Part<TransformerPart> transformer;
    Part<DecoderPart> decoder;
    std::unique_ptr<PromptSource> text = nullptr;
    std::mutex mutex = {};  // of what is loaded
  };
  template <typename T, typename Make>
  std::shared_ptr<const T> Use(Part<T>* part, const Make& make) const;
  template <typename T, typename Make>
  void CheckPart(const Part<T>& part, const Make& make);
  std::unique_ptr<PromptSource> MakeText() const;
  // Takes off the device what is not `needed`. Only with offload.
  void MakeRoom(const void* needed) const;

  SystemOptions options_;
  PartFolders folders_;
  TextRule text_rule_;
  at::Device device_;
  at::ScalarType dtype_;
  std::shared_ptr<Parts> parts_;
  std::vector<PartPlan> plan_;
};

// For the load functions of systems: constructs and checks.
template <typename T>
std::unique_ptr<System> MakeCheckpointSystem(const SystemOptions& options) {
  auto system = std::make_unique<T>(options);
  system->CheckParts();
  return system;
}

}  // namespace teacache
