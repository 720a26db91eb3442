#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/base/progress.h"
#include "runners/systems/system.h"
#include "runners/text/prompt_embedding.h"

namespace teacache {

// Where a system gets its prompts' embeddings from: a prompts file, or the text encoder. May be
// used from several threads at once.
class PromptSource {
 public:
  virtual ~PromptSource() = default;
  // Throws UserError when the prompt cannot be had.
  virtual void Check(const std::string& prompt) const = 0;
  // Gets the embeddings of `prompts` ready; warns of prompts that are cut.
  virtual void Prepare(const std::vector<std::string>& prompts, ProgressSink* progress) = 0;
  // Whether Get() needs no work.
  virtual bool Ready(const std::string& prompt) const = 0;
  // On the CPU.
  virtual PromptEmbedding Get(const std::string& prompt) = 0;
  // Takes the encoder, if there is one, off the device; it comes back when it is needed.
  virtual void Release() = 0;
  virtual std::vector<PartPlan> Plan() const = 0;
  // Checkpoint::Digest() of the text encoder that makes or made them; "" = unknown.
  virtual std::string EncoderDigest() const = 0;
};

// From a prompts file, whose embeddings must have `channels` channels and fit `rule`.
std::unique_ptr<PromptSource> MakePromptsFileSource(const std::string& path,
                                                    const TextRule& rule,
                                                    int64_t channels);

}  // namespace teacache
