#pragma once

#include <ATen/core/ScalarType.h>
#include <c10/core/Device.h>

#include <memory>
#include <string>

#include "runners/nn/checkpoint.h"
#include "runners/text/prompt_embedding.h"
#include "runners/text/prompt_source.h"
#include "runners/text/t5_encoder.h"
#include "runners/text/t5_tokenizer.h"

namespace teacache {

// Prompts by a T5 encoder: suffixes, caption cleaning, tokens padded to the rule's length, encoder
// with mask, cut to the real tokens. The encoder is loaded when it is first needed and may be
// released in between.
class PromptEncoder {
 public:
  // Opens headers and the tokenizer and checks all names and shapes; no values are read. Throws
  // UserError.
  PromptEncoder(const std::string& encoder_folder,
                const std::string& tokenizer_path,
                const TextRule& rule,
                at::ScalarType dtype,
                at::Device device);

  // Whether the prompt has more tokens than the rule allows.
  bool IsCut(const std::string& prompt) const;
  // On the CPU, in the encoder's dtype.
  PromptEmbedding Encode(const std::string& prompt);
  void Release() { encoder_.reset(); }

  const TextRule& rule() const { return rule_; }
  const PartPlan& plan() const { return plan_; }
  int64_t channels() const { return config_.d_model; }
  at::ScalarType dtype() const { return dtype_; }
  std::string Digest() const { return checkpoint_.Digest(); }

 private:
  T5Tokenizer::Tokens Tokenize(const std::string& prompt) const;
  at::Tensor Rows(const std::vector<int64_t>& ids);  // [max_tokens, C]

  Checkpoint checkpoint_;
  T5Tokenizer tokenizer_;
  TextRule rule_;
  at::ScalarType dtype_;
  at::Device device_;
  T5Config config_;
  PartPlan plan_;
  std::unique_ptr<T5Encoder> encoder_;
  at::Tensor negative_;  // [max_tokens, C] of the negative prompt ""
};

// What to tell about a prompt that is cut.
std::string CutWarning(const std::string& prompt, const TextRule& rule);

// Embeddings by an encoder, each prompt once.
std::unique_ptr<PromptSource> MakeEncoderSource(std::unique_ptr<PromptEncoder> encoder);

}  // namespace teacache
