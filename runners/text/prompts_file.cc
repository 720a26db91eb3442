#include "runners/text/prompts_file.h"

#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"
#include "datasets/prompts.h"
#include "datasets/tensors/torch_tensors.h"

namespace teacache {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "teacache-prompts";
constexpr const char* kVersion = "1";

std::string CondName(size_t k) { return fmt::format("{}.cond", k); }
std::string UncondName(size_t k) { return fmt::format("{}.uncond", k); }

std::string RuleText(const TextRule& rule) {
  json suffixes = json::array();
  for (const TextSuffix& suffix : rule.suffixes) {
    suffixes.push_back({{"text", suffix.text}, {"mark", suffix.mark}});
  }
  return json({{"max_tokens", rule.max_tokens},
               {"has_negative", rule.has_negative},
               {"suffixes", suffixes},
               {"has_clip_syntax", rule.has_clip_syntax}})
      .dump();
}

TextRule ParseRule(const std::string& text, const std::string& where) {
  const json object = ParseJson(text, where);
  const JsonFields fields(object, where);
  TextRule rule;
  rule.max_tokens = static_cast<int>(fields.Integer("max_tokens"));
  rule.has_negative = fields.Bool("has_negative", true);
  rule.has_clip_syntax = fields.Bool("has_clip_syntax", false);
  if (!fields.Has("suffixes")) return rule;
  const json& suffixes = fields.At("suffixes");
  if (!suffixes.is_array()) ThrowUserError(where, "\"suffixes\" must be a list");
  for (const json& suffix : suffixes) {
    const JsonFields one(suffix, where + ": suffixes");
    rule.suffixes.push_back({one.String("text"), one.String("mark")});
  }
  return rule;
}

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
  const json list = ParseJson(Metadata(file, "prompts"), file.path() + ": prompts");
  const auto is_text = [](const json& item) { return item.is_string(); };
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), is_text)) {
    ThrowUserError(file.path(), "prompts must be a JSON list of texts");
  }
  auto prompts = list.get<std::vector<std::string>>();
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
  prompts.info_.rule = ParseRule(Metadata(file, "rule"), path + ": rule");
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
               {"prompts", json(prompts).dump()},
               {"rule", RuleText(info.rule)},
               {"encoder", info.encoder}});
}

}  // namespace teacache
