#include "runners/text/prompt_encoder.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <map>
#include <mutex>

#include "datasets/base/error.h"
#include "datasets/base/interrupt.h"
#include "runners/text/cleaning/caption_cleaning.h"

namespace teacache {

PromptEncoder::PromptEncoder(const std::string& encoder_folder,
                             const std::string& tokenizer_path,
                             const TextRule& rule,
                             at::ScalarType dtype,
                             at::Device device)
    : checkpoint_(Checkpoint::Open(encoder_folder)),
      tokenizer_(tokenizer_path),
      rule_(rule),
      dtype_(dtype),
      device_(device),
      config_(ParseT5Config(checkpoint_.config(), checkpoint_.config_path())) {
  if (tokenizer_.vocabulary() > config_.vocab_size) {
    ThrowUserError(tokenizer_.path(),
                   "must belong to the text encoder, whose vocabulary is {}, but has {} pieces",
                   config_.vocab_size,
                   tokenizer_.vocabulary());
  }
  CheckpointParameters source = checkpoint_.Parameters(dtype_, at::kMeta);
  AdaptT5Source(&source);
  const T5Encoder shapes_only(&source, config_);
  source.Finish();
  plan_ = {"text encoder",
           checkpoint_.weights_path(),
           source.taken_elements(),
           checkpoint_.file_bytes(),
           source.taken_bytes()};
}

T5Tokenizer::Tokens PromptEncoder::Tokenize(const std::string& prompt) const {
  return tokenizer_.Encode(CleanCaption(WithSuffixes(prompt, rule_)), rule_.max_tokens);
}

bool PromptEncoder::IsCut(const std::string& prompt) const { return Tokenize(prompt).cut; }

at::Tensor PromptEncoder::Rows(const std::vector<int64_t>& ids) {
  if (!encoder_) {
    CheckpointParameters source = checkpoint_.Parameters(dtype_, device_);
    AdaptT5Source(&source);
    encoder_ = std::make_unique<T5Encoder>(&source, config_);
    source.Finish();
  }
  const auto real = static_cast<int64_t>(ids.size());
  at::Tensor padded = at::full({1, rule_.max_tokens}, tokenizer_.pad_id(), at::kLong);
  for (int64_t i = 0; i < real; ++i) padded.index({0, i}).fill_(ids[i]);
  const at::Tensor mask = TextMask(real, rule_.max_tokens).unsqueeze(0);
  return (*encoder_)(padded.to(device_), mask.to(device_))[0].cpu();
}

PromptEmbedding PromptEncoder::Encode(const std::string& prompt) {
  const at::NoGradGuard no_grad;
  if (rule_.has_negative && !negative_.defined()) {
    negative_ = Rows(tokenizer_.Encode("", rule_.max_tokens).ids);
  }
  const std::vector<int64_t> ids = Tokenize(prompt).ids;
  const auto real = static_cast<int64_t>(ids.size());
  PromptEmbedding embedding;
  embedding.cond = Rows(ids).narrow(0, 0, real).clone();
  // Rows below the first are what the encoder gives for padding: the reference uses them too.
  if (rule_.has_negative) embedding.uncond = negative_.narrow(0, 0, real);
  return embedding;
}

namespace {

class EncoderSource : public PromptSource {
 public:
  explicit EncoderSource(std::unique_ptr<PromptEncoder> encoder) : encoder_(std::move(encoder)) {}

  void Check(const std::string& /*prompt*/) const override {}

  void Prepare(const std::vector<std::string>& prompts, ProgressSink* progress) override {
    int64_t done = 0;
    for (const std::string& prompt : prompts) {
      if (Interrupted()) return;
      if (encoder_->IsCut(prompt)) {
        progress->Warn(CutWarning(prompt, encoder_->rule()));
      }
      Get(prompt);
      progress->Report({"encoding", "prompts", ++done, static_cast<int64_t>(prompts.size()), ""});
    }
  }

  bool Ready(const std::string& prompt) const override {
    const std::lock_guard lock(mutex_);
    return known_.contains(prompt);
  }

  PromptEmbedding Get(const std::string& prompt) override {
    const std::lock_guard lock(mutex_);
    const auto it = known_.find(prompt);
    if (it != known_.end()) return it->second;
    return known_.emplace(prompt, encoder_->Encode(prompt)).first->second;
  }

  void Release() override {
    const std::lock_guard lock(mutex_);
    encoder_->Release();
  }
  std::vector<PartPlan> Plan() const override { return {encoder_->plan()}; }
  std::string EncoderDigest() const override { return encoder_->Digest(); }

 private:
  mutable std::mutex mutex_;
  std::unique_ptr<PromptEncoder> encoder_;
  std::map<std::string, PromptEmbedding> known_;
};

}  // namespace

std::string CutWarning(const std::string& prompt, const TextRule& rule) {
  return fmt::format("prompt \"{}\" has more than {} tokens and is cut", prompt, rule.max_tokens);
}

std::unique_ptr<PromptSource> MakeEncoderSource(std::unique_ptr<PromptEncoder> encoder) {
  return std::make_unique<EncoderSource>(std::move(encoder));
}

}  // namespace teacache
