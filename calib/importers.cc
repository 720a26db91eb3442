#include "calib/importers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <tuple>

#include "calib/importers/importer.h"
#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/json_fields.h"

namespace teacache {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 36;

// All formats, in the order in which a file is asked for its own: a new one is a line here.
const std::vector<Importer>& Importers() {
  static const std::vector<Importer> importers = {
      DiffletImporter(), MlxImporter(), VllmOmniImporter(), SglangImporter(), CsvImporter()};
  return importers;
}

const Importer& FindImporter(const ImportSource& source) {
  const std::string& format = source.options().format;
  for (const Importer& importer : Importers()) {
    if (format == "auto" ? importer.recognises(source) : format == importer.name) return importer;
  }
  CheckImportFormat(format);
  ThrowUserError(
      source.where(),
      "must be a trace, SGLang rows, an mlx-teacache or Difflet calibration, pairs or CSV but "
      "is none of them");
}

using PairKey = std::tuple<int, int64_t, int, int>;

PairKey KeyOf(const Pair& pair) { return {pair.prompt, pair.seed, pair.branch, pair.call}; }

void CheckNotEmpty(const std::vector<ImportedRuns>& all, const std::string& where) {
  for (const ImportedRuns& runs : all) {
    if (!runs.pairs.pairs.empty()) return;
  }
  ThrowUserError(where, "must have pairs but has none");
}

// Adds the pairs of `from`; equal names are the same prompt.
void Append(const ImportedRuns& from,
            const std::string& name,
            const std::string& first_name,
            ImportedRuns* into) {
  const auto differs = [&](const char* what, const auto& a, const auto& b) {
    ThrowUserError(
        name, "must have the same {} as {} but has {} and not {}", what, first_name, b, a);
  };
  if (from.model != into->model) differs("model", into->model, from.model);
  if (from.pairs.steps != into->pairs.steps) differs("steps", into->pairs.steps, from.pairs.steps);
  if (from.source != into->source) differs("origin", into->source, from.source);
  PairSet& set = into->pairs;
  const int shift = set.calls == 0 ? static_cast<int>(set.pairs.size()) : 0;
  for (const Pair& pair : from.pairs.pairs) {
    Pair copy = pair;
    copy.prompt = IndexOf(from.pairs.prompts[pair.prompt], &set.prompts);
    copy.branch = IndexOf(from.pairs.branches[pair.branch], &set.branches);
    copy.call += shift;  // pairs without steps are numbered
    set.pairs.push_back(copy);
  }
  for (const std::string& warning : from.pairs.warnings) {
    if (std::find(set.warnings.begin(), set.warnings.end(), warning) == set.warnings.end()) {
      set.warnings.push_back(warning);
    }
  }
}

// Means of the same step from several files, weighted by their counts.
void MergeMeans(PairSet* set) {
  std::vector<Pair> merged;
  for (const Pair& pair : set->pairs) {
    if (merged.empty() || KeyOf(merged.back()) != KeyOf(pair)) {
      merged.push_back(pair);
      continue;
    }
    Pair& into = merged.back();
    const double total = into.weight + pair.weight;
    into.x = (into.x * into.weight + pair.x * pair.weight) / total;
    into.y = (into.y * into.weight + pair.y * pair.weight) / total;
    into.weight = total;
  }
  set->pairs = std::move(merged);
}

}  // namespace

ImportSource::ImportSource(std::string_view text, std::string where, ImportOptions options)
    : text_(text), where_(std::move(where)), options_(std::move(options)) {
  const size_t first = text_.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) ThrowUserError(where_, "must have pairs but is empty");
  looks_like_json_ = text_[first] == '{' || text_[first] == '[';
}

const nlohmann::json& ImportSource::Json() const {
  if (!json_) json_ = ParseJson(text_, where_);
  return *json_;
}

void CheckPair(double x, double y, const std::string& where) {
  if (!std::isfinite(x) || !std::isfinite(y) || x < 0 || y < 0) {
    ThrowUserError(where, "x and y must be finite and >= 0 but are {} and {}", x, y);
  }
}

void SortPairs(PairSet* set) {
  std::stable_sort(set->pairs.begin(), set->pairs.end(), [](const Pair& a, const Pair& b) {
    return KeyOf(a) < KeyOf(b);
  });
}

std::string DescribePair(const PairSet& set, const Pair& pair) {
  return fmt::format("prompt \"{}\", seed {}, branch \"{}\", call {}",
                     set.prompts[pair.prompt].substr(0, 40),
                     pair.seed,
                     set.branches[pair.branch],
                     pair.call);
}

void RefuseDuplicates(const PairSet& set, const std::string& where) {
  for (size_t i = 1; i < set.pairs.size(); ++i) {
    if (KeyOf(set.pairs[i]) != KeyOf(set.pairs[i - 1])) continue;
    ThrowUserError(
        where, "pairs must be different but {} is there twice", DescribePair(set, set.pairs[i]));
  }
}

int IndexOf(const std::string& name, std::vector<std::string>* names) {
  const auto it = std::find(names->begin(), names->end(), name);
  if (it != names->end()) return static_cast<int>(it - names->begin());
  names->push_back(name);
  return static_cast<int>(names->size()) - 1;
}

std::vector<ImportedRuns> ImportPairsFromText(std::string_view text,
                                              const std::string& where,
                                              const ImportOptions& options) {
  const ImportSource source(text, where, options);
  std::vector<ImportedRuns> result = FindImporter(source).read(source);
  CheckNotEmpty(result, where);
  return result;
}

std::vector<ImportedRuns> ImportPairs(const std::string& path, const ImportOptions& options) {
  return ImportPairsFromText(ReadFile(path, kMaxBytes), path, options);
}

bool IsTraceFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string begin(256, '\0');
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  begin.resize(static_cast<size_t>(file.gcount()));
  return begin.find("\"teacache-trace\"") != std::string::npos;
}

std::vector<ImportedRuns> MergeImported(const std::vector<std::vector<ImportedRuns>>& files,
                                        const std::vector<std::string>& names) {
  std::map<std::string, ImportedRuns> experts;
  std::map<std::string, std::string> first_name;
  for (size_t i = 0; i < files.size(); ++i) {
    for (const ImportedRuns& runs : files[i]) {
      const auto [it, inserted] = experts.try_emplace(runs.pairs.expert, runs);
      if (inserted) {
        first_name[runs.pairs.expert] = names[i];
      } else {
        Append(runs, names[i], first_name[runs.pairs.expert], &it->second);
      }
    }
  }
  std::vector<ImportedRuns> merged;
  for (auto& [expert, runs] : experts) {
    if (files.size() > 1) {
      SortPairs(&runs.pairs);
      if (runs.means) MergeMeans(&runs.pairs);
      RefuseDuplicates(runs.pairs, names.back());
    }
    merged.push_back(std::move(runs));
  }
  return merged;
}

PairSet CombineBranches(const PairSet& set, PairOptions::Branches branches) {
  using Branches = PairOptions::Branches;
  if (branches == Branches::kAll) return set;
  PairSet combined = set;
  combined.pairs.clear();
  if (branches == Branches::kCond || branches == Branches::kUncond) {
    for (const Pair& pair : set.pairs) {
      const std::string& name = set.branches[pair.branch];
      const bool cond = name == "cond" || name == "batched" || name == "pos";
      const bool uncond = name == "uncond" || name == "neg";
      if (branches == Branches::kCond ? cond : uncond) combined.pairs.push_back(pair);
    }
  } else {
    std::map<std::tuple<int, int64_t, int>, std::vector<Pair>> calls;
    for (const Pair& pair : set.pairs) calls[{pair.prompt, pair.seed, pair.call}].push_back(pair);
    combined.branches = {ToString(branches)};
    for (const auto& [key, pairs] : calls) {
      Pair one = *std::max_element(
          pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.y < b.y; });
      if (branches == Branches::kAverage) {
        one.x = one.y = 0;
        for (const Pair& pair : pairs) {
          one.x += pair.x / static_cast<double>(pairs.size());
          one.y += pair.y / static_cast<double>(pairs.size());
        }
      }
      one.branch = 0;
      combined.pairs.push_back(one);
    }
  }
  if (combined.pairs.empty()) {
    ThrowUserError("pairs", "must have branch \"{}\" but has none such", ToString(branches));
  }
  return combined;
}

PairSet OnlySteps(PairSet set, int first, int last) {
  std::erase_if(set.pairs, [&](const Pair& pair) {
    return pair.step < first || (last >= 0 && pair.step > last);
  });
  if (set.pairs.empty()) {
    ThrowUserError("pairs", "must have pairs in steps {} to {} but has none", first, last);
  }
  return set;
}

std::vector<std::string> ImportFormats() {
  std::vector<std::string> names;
  for (const Importer& importer : Importers()) names.emplace_back(importer.name);
  return names;
}

void CheckImportFormat(const std::string& name) {
  const std::vector<std::string> names = ImportFormats();
  if (name == "auto" || std::find(names.begin(), names.end(), name) != names.end()) return;
  ThrowUserError("format", "must be auto, {} but is \"{}\"", fmt::join(names, ", "), name);
}

}  // namespace teacache
