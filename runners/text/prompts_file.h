#pragma once

#include <map>
#include <string>
#include <vector>

#include "runners/text/prompt_embedding.h"

namespace teacache {

// prompts.safetensors: embeddings of prompts, made once by encode-prompts (or any other tool), so
// that a run needs no text encoder. For prompt k of the list:
//   "k.cond"    [L, C] floating point, the rows of its L real tokens
//   "k.uncond"  [L, C], the negative prompt's rows (not for systems with a negative text of their
//               own)
// Metadata: "format" = "teacache-prompts", "version" = "1", "prompts" = JSON list of the texts as
// they were given, "rule" = how they were made (max_tokens, has_negative, suffixes,
// has_clip_syntax: TextRule), "encoder" = the text encoder's Checkpoint::Digest().

struct PromptsFileInfo {
  TextRule rule;
  std::string encoder;  // digest; "" = unknown
};

class PromptsFile {
 public:
  // Reads the header; embeddings are mapped. Throws UserError saying what is wrong, down to shapes.
  static PromptsFile Open(const std::string& path);

  const std::string& path() const { return path_; }
  const PromptsFileInfo& info() const { return info_; }
  const std::vector<std::string>& prompts() const { return prompts_; }
  int64_t channels() const { return channels_; }  // C
  bool Has(const std::string& prompt) const { return embeddings_.contains(prompt); }
  // Throws UserError naming the file when the prompt is not in it.
  const PromptEmbedding& At(const std::string& prompt) const;

 private:
  std::string path_;
  PromptsFileInfo info_;
  std::vector<std::string> prompts_;
  std::map<std::string, PromptEmbedding> embeddings_;
  int64_t channels_ = 0;
};

// Writes a whole file by a temporary name and a rename; `embeddings` belong to `prompts`.
void WritePromptsFile(const std::string& path,
                      const std::vector<std::string>& prompts,
                      const std::vector<PromptEmbedding>& embeddings,
                      const PromptsFileInfo& info);

}  // namespace teacache
