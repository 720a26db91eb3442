#include "calib/importers/importers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <tuple>

#include "calib/importers/importer.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"

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
  NameIndex prompts(into->pairs.prompts);
  NameIndex branches(into->pairs.branches);
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
    copy.prompt = prompts.Get(from.pairs.prompts[pair.prompt], &set.prompts);
    copy.branch = branches.Get(from.pairs.branches[pair.branch], &set.branches);
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

// Whether the runs have this pair of a joined set.
bool Holds(const ImportedRuns& runs, const PairSet& set, const Pair& pair) {
  const PairSet& own = runs.pairs;
  return own.expert == set.expert &&
         std::any_of(own.pairs.begin(), own.pairs.end(), [&](const Pair& candidate) {
           return candidate.seed == pair.seed && candidate.call == pair.call &&
                  own.prompts[candidate.prompt] == set.prompts[pair.prompt] &&
                  own.branches[candidate.branch] == set.branches[pair.branch];
         });
}

void RefuseDuplicates(const PairSet& set,
                      const std::vector<std::vector<ImportedRuns>>& files,
                      const std::vector<std::string>& names) {
  const Pair* twice = FindDuplicate(set);
  if (twice == nullptr) return;
  std::vector<std::string> holders;
  for (size_t i = 0; i < files.size(); ++i) {
    if (std::any_of(files[i].begin(), files[i].end(), [&](const ImportedRuns& runs) {
          return Holds(runs, set, *twice);
        })) {
      holders.push_back(names[i]);
    }
  }
  ThrowUserError(holders.back(),
                 "pairs must be different but {} is in {}, too",
                 DescribePair(set, *twice),
                 holders.front());
}

}  // namespace

ImportSource::ImportSource(std::string text, std::string where, ImportOptions options)
    : text_(std::move(text)), where_(std::move(where)), options_(std::move(options)) {
  // An UTF-8 byte order mark, as spreadsheets write it.
  if (text_.compare(0, 3, "\xEF\xBB\xBF") == 0) text_.erase(0, 3);
  const size_t first = text_.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) ThrowUserError(where_, "must have pairs but is empty");
  looks_like_json_ = text_[first] == '{' || text_[first] == '[';
}

JsonNode ImportSource::Json() const {
  if (!json_) json_ = std::make_unique<JsonDocument>(text_, where_);
  return json_->root();
}

std::vector<ImportedRuns> OneExpert(ImportedRuns runs) {
  std::vector<ImportedRuns> one;
  one.push_back(std::move(runs));  // an initializer list would copy millions of pairs
  return one;
}

void CheckPair(double x, double y, const std::string& where) {
  if (!std::isfinite(x) || !std::isfinite(y) || x < 0 || y < 0) {
    ThrowUserError(where, "x and y must be finite and >= 0 but are {} and {}", x, y);
  }
}

std::vector<Pair> ReadPairLists(const JsonNode& xs, const JsonNode& ys) {
  std::vector<Pair> pairs(xs.size());
  const auto read = [&](const JsonNode& list, double Pair::*member) {
    size_t count = 0;
    list.ForEachElement([&](const JsonNode& element) {
      const double number = element.Number();
      if (number < 0) element.Refuse("must be >= 0");
      if (count < pairs.size()) pairs[count].*member = number;
      ++count;
    });
    if (count != pairs.size()) {
      ThrowUserError(list.Where(),
                     "must have as many entries as the other list, {}, but has {}",
                     pairs.size(),
                     count);
    }
  };
  read(xs, &Pair::x);
  read(ys, &Pair::y);
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i].call = pairs[i].step = static_cast<int>(i) + 1;
  return pairs;
}

void SortPairs(PairSet* set) {
  // Means of the same call are added up in an order of their own.
  const auto less = [](const Pair& a, const Pair& b) {
    if (KeyOf(a) != KeyOf(b)) return KeyOf(a) < KeyOf(b);
    return std::tie(a.x, a.y, a.weight) < std::tie(b.x, b.y, b.weight);
  };
  if (std::is_sorted(set->pairs.begin(), set->pairs.end(), less)) return;
  std::stable_sort(set->pairs.begin(), set->pairs.end(), less);
}

std::string DescribePair(const PairSet& set, const Pair& pair) {
  return fmt::format("prompt \"{}\", seed {}, branch \"{}\", call {}",
                     set.prompts[pair.prompt].substr(0, 40),
                     pair.seed,
                     set.branches[pair.branch],
                     pair.call);
}

const Pair* FindDuplicate(const PairSet& set) {
  const auto same = [](const Pair& a, const Pair& b) { return KeyOf(a) == KeyOf(b); };
  const auto it = std::adjacent_find(set.pairs.begin(), set.pairs.end(), same);
  return it == set.pairs.end() ? nullptr : &*it;
}

NameIndex::NameIndex(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    index_.try_emplace(name, static_cast<int>(index_.size()));
  }
}

int NameIndex::Get(std::string_view name, std::vector<std::string>* names) {
  if (last_ >= 0 && (*names)[static_cast<size_t>(last_)] == name) return last_;
  const auto [it, inserted] =
      index_.try_emplace(std::string(name), static_cast<int>(names->size()));
  if (inserted) names->emplace_back(name);
  return last_ = it->second;
}

std::vector<ImportedRuns> ImportPairsFromText(std::string text,
                                              const std::string& where,
                                              const ImportOptions& options) {
  const ImportSource source(std::move(text), where, options);
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
      if (runs.pairs.means) MergeMeans(&runs.pairs);
      RefuseDuplicates(runs.pairs, files, names);
    }
    merged.push_back(std::move(runs));
  }
  return merged;
}

PairSet CombineBranches(const PairSet& set, const PairOptions& options) {
  using Branches = PairOptions::Branches;
  const Branches branches = options.branches;
  const bool guidance = std::ranges::any_of(set.branches, IsGuidanceBranch);
  const auto wants = [&](const std::string& name) { return WantsBranch(options, name, guidance); };
  if (branches == Branches::kAll && std::ranges::all_of(set.branches, wants)) return set;
  PairSet combined = set;
  combined.pairs.clear();
  if (branches != Branches::kWorst && branches != Branches::kAverage) {
    for (const Pair& pair : set.pairs) {
      if (wants(set.branches[pair.branch])) combined.pairs.push_back(pair);
    }
    if (branches == Branches::kAll) {
      combined.left_out[LeftOut::kOtherBranch] +=
          static_cast<int64_t>(set.pairs.size() - combined.pairs.size());
    }
  } else {
    std::map<std::tuple<int, int64_t, int>, std::vector<Pair>> calls;
    for (const Pair& pair : set.pairs) {
      if (wants(set.branches[pair.branch])) {
        calls[{pair.prompt, pair.seed, pair.call}].push_back(pair);
      }
    }
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
    ThrowUserError("pairs", "must have branch \"{}\" but has none such", BranchesName(options));
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
