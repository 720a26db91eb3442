#include "metrics/vbench/suite.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"
#include "datasets/prompts.h"

namespace teacache {
namespace {

SuitePrompt ReadEntry(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  SuitePrompt entry;
  entry.prompt = fields.String("prompt_en");
  if (entry.prompt.empty()) ThrowUserError(where, "\"prompt_en\" must not be empty");
  const nlohmann::json& names = fields.At("dimension");
  if (!names.is_array() || names.empty()) {
    ThrowUserError(where, "\"dimension\" must be a list of names");
  }
  for (const nlohmann::json& name : names) {
    const VbenchDimension* dimension =
        name.is_string() ? FindVbenchDimension(name.get<std::string>()) : nullptr;
    if (dimension == nullptr) {
      ThrowUserError(
          where, "\"dimension\" must name VBench's dimensions but has {}", ShownJson(name));
    }
    entry.dimensions.push_back(dimension);
  }
  if (fields.Has("auxiliary_info")) {
    if (!fields.At("auxiliary_info").is_object()) {
      ThrowUserError(where, "\"auxiliary_info\" must be an object");
    }
    entry.auxiliary = fields.At("auxiliary_info").dump();
  }
  return entry;
}

void SortUnique(std::vector<const VbenchDimension*>* dimensions) {
  std::sort(dimensions->begin(), dimensions->end());
  dimensions->erase(std::unique(dimensions->begin(), dimensions->end()), dimensions->end());
}

// Both entries' dimensions and auxiliary information.
void Join(const SuitePrompt& from, SuitePrompt* to) {
  to->dimensions.insert(to->dimensions.end(), from.dimensions.begin(), from.dimensions.end());
  SortUnique(&to->dimensions);
  if (from.auxiliary.empty()) return;
  nlohmann::json joined =
      to->auxiliary.empty() ? nlohmann::json::object() : nlohmann::json::parse(to->auxiliary);
  joined.update(nlohmann::json::parse(from.auxiliary));
  to->auxiliary = joined.dump();
}

std::vector<const VbenchDimension*> Common(const std::vector<const VbenchDimension*>& a,
                                           const std::vector<const VbenchDimension*>& b) {
  std::vector<const VbenchDimension*> common;
  for (const VbenchDimension* dimension : a) {
    if (std::find(b.begin(), b.end(), dimension) != b.end()) common.push_back(dimension);
  }
  return common;
}

}  // namespace

Suite ReadSuite(const std::string& path) {
  const nlohmann::json json = ParseJson(ReadFile(path), path);
  if (!json.is_array() || json.empty()) {
    ThrowUserError(path, "must be a list of prompts as VBench_full_info.json but is not");
  }
  Suite suite;
  std::map<std::string, size_t> index;
  std::vector<std::string> twice;
  for (size_t i = 0; i < json.size(); ++i) {
    SuitePrompt entry = ReadEntry(json[i], fmt::format("{}[{}]", path, i));
    SortUnique(&entry.dimensions);
    const auto [found, is_new] = index.emplace(entry.prompt, suite.prompts.size());
    if (is_new) {
      suite.prompts.push_back(std::move(entry));
    } else {
      Join(entry, &suite.prompts[found->second]);
      if (std::find(twice.begin(), twice.end(), entry.prompt) == twice.end()) {
        twice.push_back(entry.prompt);
      }
    }
  }
  for (const std::string& prompt : twice) {
    suite.warnings.push_back(fmt::format(
        "the prompt \"{}\" occurs more than once; its entries share their videos", prompt));
  }
  return suite;
}

SuitePairing PairSuite(const Suite& suite,
                       const std::vector<NamedVideo>& videos,
                       const std::vector<const VbenchDimension*>& chosen,
                       int samples) {
  std::map<std::string, std::string> paths;
  for (const NamedVideo& video : videos) paths[video.name] = video.path;
  std::set<std::string> known;
  SuitePairing pairing;
  for (const SuitePrompt& prompt : suite.prompts) {
    const auto dimensions = Common(prompt.dimensions, chosen);
    for (int i = 0; i < samples; ++i) {
      const std::string name = VideoStem(prompt.prompt, i);
      const auto found = paths.find(name);
      known.insert(name);
      if (dimensions.empty()) continue;
      if (found == paths.end()) {
        pairing.missing.push_back(name);
      } else {
        pairing.videos.push_back(
            {name, found->second, prompt.prompt, dimensions, prompt.auxiliary});
      }
    }
  }
  for (const NamedVideo& video : videos) {
    if (!known.contains(video.name)) pairing.extra.push_back(video.path);
  }
  return pairing;
}

SuitePairing PairCustom(const std::vector<NamedVideo>& videos,
                        const std::vector<const VbenchDimension*>& chosen,
                        const std::map<std::string, std::string>& prompts) {
  for (const VbenchDimension* dimension : chosen) {
    if (!dimension->custom) {
      ThrowUserError("--custom",
                     "{} needs what VBench's own prompts say about themselves; leave it out",
                     dimension->name);
    }
  }
  std::map<std::string, std::string> by_stem;
  for (const auto& [file, prompt] : prompts) {
    by_stem[file] = prompt;
    by_stem[std::filesystem::path(file).stem().string()] = prompt;
  }
  SuitePairing pairing;
  for (const NamedVideo& video : videos) {
    SuiteVideo row{video.name, video.path, PromptOfName(video.name), chosen, ""};
    if (!prompts.empty()) {
      auto found = by_stem.find(std::filesystem::path(video.path).filename().string());
      if (found == by_stem.end()) found = by_stem.find(video.name);
      if (found == by_stem.end()) {
        ThrowUserError(video.path, "must have a prompt in the prompt file but has none");
      }
      row.prompt = found->second;
    }
    pairing.videos.push_back(std::move(row));
  }
  return pairing;
}

std::map<std::string, std::string> ReadPromptFile(const std::string& path) {
  const nlohmann::json json = ParseJson(ReadFile(path), path);
  const JsonFields fields(json, path);
  std::map<std::string, std::string> prompts;
  for (const auto& item : json.items()) prompts[item.key()] = fields.String(item.key());
  if (prompts.empty()) ThrowUserError(path, "must hold at least one prompt");
  return prompts;
}

std::string PromptOfName(const std::string& name) {
  size_t digits = name.size();
  while (digits > 0 && std::isdigit(static_cast<unsigned char>(name[digits - 1])) != 0) --digits;
  if (digits == name.size() || digits == 0 || name[digits - 1] != '-') return name;
  return name.substr(0, digits - 1);
}

}  // namespace teacache
