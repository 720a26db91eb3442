#include "runners/text/prompts_file.h"

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/prompts.h"
#include "datasets/tensors/torch_tensors.h"

namespace teacache {

template <typename Archive>
void Visit(Archive& archive, TextSuffix& suffix) {
  archive.Required("mark", suffix.mark);
  archive.Required("text", suffix.text);
}

// In the order of the names, as version 0.1.0 wrote them.
template <typename Archive>
void Visit(Archive& archive, TextRule& rule) {
  archive("has_clip_syntax", rule.has_clip_syntax);
  archive("has_negative", rule.has_negative);
  archive.Required("max_tokens", rule.max_tokens);
  archive("suffixes", rule.suffixes);
}

namespace {

constexpr const char* kFormat = "teacache-prompts";
constexpr const char* kVersion = "1";

std::string CondName(size_t k) { return fmt::format("{}.cond", k); }
std::string UncondName(size_t k) { return fmt::format("{}.uncond", k); }

const std::string& Metadata(const SafetensorsFile& file, const std::string& key) {
  const auto it = file.metadata().find(key);
  if (it == file.metadata().end()) {
    ThrowUserError(file.path(),
                   "must be a prompts file (encode-prompts writes one): its metadata has no \"{}\"",
                   key);
  }
  return it->second;
}

std::vector<std::string> ParsePrompts(const SafetensorsFile& file) {
  auto prompts =
      FromJson<std::vector<std::string>>(Metadata(file, "prompts"), file.path() + ": prompts");
  CheckDistinct(prompts, file.path());
  return prompts;
}

at::Tensor Rows(const SafetensorsFile& file, const std::string& name) {
  const at::Tensor rows = ToTensor(file.At(name));
  if (rows.dim() != 2 || rows.size(0) < 1 || rows.size(1) < 1 || !rows.is_floating_point()) {
    ThrowUserError(file.path(), "tensor \"{}\" must be [tokens, channels] of floats", name);
  }
  return rows;
}

}  // namespace

PromptsFile PromptsFile::Open(const std::string& path) {
  const SafetensorsFile file = SafetensorsFile::Open(path);
  if (Metadata(file, "format") != kFormat || Metadata(file, "version") != kVersion) {
    ThrowUserError(path, "must be a prompts file of version {}", kVersion);
  }
  PromptsFile prompts;
  prompts.path_ = path;
  prompts.info_.rule = FromJson<TextRule>(Metadata(file, "rule"), path + ": rule");
  const auto encoder = file.metadata().find("encoder");
  if (encoder != file.metadata().end()) prompts.info_.encoder = encoder->second;
  prompts.prompts_ = ParsePrompts(file);
  for (size_t k = 0; k < prompts.prompts_.size(); ++k) {
    PromptEmbedding embedding{Rows(file, CondName(k)), {}};
    if (prompts.info_.rule.has_negative) embedding.uncond = Rows(file, UncondName(k));
    if (k == 0) prompts.channels_ = embedding.cond.size(1);
    const bool fits =
        embedding.cond.size(1) == prompts.channels_ &&
        embedding.cond.size(0) <= prompts.info_.rule.max_tokens &&
        (!embedding.uncond.defined() || embedding.uncond.sizes() == embedding.cond.sizes());
    if (!fits) {
      ThrowUserError(path,
                     "the embeddings of prompt {} must be at most {} rows of {} channels, cond and "
                     "uncond alike",
                     k,
                     prompts.info_.rule.max_tokens,
                     prompts.channels_);
    }
    prompts.embeddings_.emplace(prompts.prompts_[k], std::move(embedding));
  }
  return prompts;
}

const PromptEmbedding& PromptsFile::At(const std::string& prompt) const {
  const auto it = embeddings_.find(prompt);
  if (it == embeddings_.end()) {
    ThrowUserError(
        path_, "must hold prompt \"{}\" but does not (encode-prompts adds prompts)", prompt);
  }
  return it->second;
}

void WritePromptsFile(const std::string& path,
                      const std::vector<std::string>& prompts,
                      const std::vector<PromptEmbedding>& embeddings,
                      const PromptsFileInfo& info) {
  TensorMap tensors;
  for (size_t k = 0; k < prompts.size(); ++k) {
    tensors[CondName(k)] = embeddings.at(k).cond;
    if (info.rule.has_negative) tensors[UncondName(k)] = embeddings[k].uncond;
  }
  SaveTensors(path,
              tensors,
              {{"format", kFormat},
               {"version", kVersion},
               {"prompts", ToJson(prompts, path)},
               {"rule", ToJson(info.rule, path)},
               {"encoder", info.encoder}});
}

}  // namespace teacache
