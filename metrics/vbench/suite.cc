#include "metrics/vbench/suite.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/prompts.h"

namespace teacache {
namespace {

SuitePrompt ReadEntry(const JsonNode& json) {
  SuitePrompt entry;
  entry.prompt = json.At("prompt_en").String();
  if (entry.prompt.empty()) json.At("prompt_en").Refuse("must not be empty");
  const JsonNode names = json.At("dimension");
  if (names.size() == 0) names.Refuse("must be a list of names");
  names.ForEachElement([&entry](const JsonNode& name) {
    const VbenchDimension* dimension = FindVbenchDimension(name.Text());
    if (dimension == nullptr) name.Refuse("must be one of VBench's dimensions");
    entry.dimensions.push_back(dimension);
  });
  if (const auto auxiliary = json.Given("auxiliary_info")) {
    if (!auxiliary->is_object()) auxiliary->Refuse("must be an object");
    entry.auxiliary = ToJson(*auxiliary, "auxiliary_info");
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
  if (from.auxiliary.empty() || to->auxiliary.empty()) {
    to->auxiliary += from.auxiliary;
    return;
  }
  const ParsedJson before(to->auxiliary, "auxiliary_info");
  const ParsedJson added(from.auxiliary, "auxiliary_info");
  std::map<std::string_view, JsonNode> joined = added.root().Members();
  joined.merge(before.root().Members());
  to->auxiliary = ToJson(joined, "auxiliary_info");
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
  const ParsedJson json(ReadFile(path), path);
  if (!json.root().is_array() || json.root().size() == 0) {
    ThrowUserError(path, "must be a list of prompts as VBench_full_info.json but is not");
  }
  Suite suite;
  std::map<std::string, size_t> index;
  std::vector<std::string> twice;
  json.root().ForEachElement([&](const JsonNode& row) {
    SuitePrompt entry = ReadEntry(row);
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
  });
  for (const std::string& prompt : twice) {
    suite.warnings.push_back(fmt::format(
        "the prompt \"{}\" occurs more than once; its entries share their videos", prompt));
  }
  return suite;
}

ParsedJson Auxiliary(const SuiteVideo& video) {
  return {video.auxiliary.empty() ? "{}" : video.auxiliary, video.prompt + ": auxiliary_info"};
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
  const auto prompts = FromJson<std::map<std::string, std::string>>(ReadFile(path), path);
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
