#include "calib/importers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <tuple>

#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/json_fields.h"

namespace teacache {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxBytes = uint64_t{1} << 36;
constexpr const char* kSglangWarning =
    "SGLang rows are means over prompts and branches: the spread is lost, so R2 and intervals say "
    "nothing about single prompts";

void CheckPair(double x, double y, const std::string& where) {
  if (!std::isfinite(x) || !std::isfinite(y) || x < 0 || y < 0) {
    ThrowUserError(where, "x and y must be finite and >= 0 but are {} and {}", x, y);
  }
}

double NumberOf(const json& value, const std::string& where) {
  if (!value.is_number())
    ThrowUserError(where, "must be a number but is {}", value.dump().substr(0, 40));
  return value.get<double>();
}

using PairKey = std::tuple<int, int64_t, int, int>;

PairKey KeyOf(const Pair& pair) { return {pair.prompt, pair.seed, pair.branch, pair.call}; }

void SortPairs(PairSet* set) {
  std::stable_sort(set->pairs.begin(), set->pairs.end(), [](const Pair& a, const Pair& b) {
    return KeyOf(a) < KeyOf(b);
  });
}

// Throws for a pair that is there twice; `set` must be sorted.
void RefuseDuplicates(const PairSet& set, const std::string& where) {
  for (size_t i = 1; i < set.pairs.size(); ++i) {
    if (KeyOf(set.pairs[i]) != KeyOf(set.pairs[i - 1])) continue;
    const Pair& pair = set.pairs[i];
    ThrowUserError(
        where,
        "pairs must be different but prompt \"{}\", seed {}, branch \"{}\", call {} is there "
        "twice",
        set.prompts[pair.prompt].substr(0, 40),
        pair.seed,
        set.branches[pair.branch],
        pair.call);
  }
}

int IndexOf(const std::string& name, std::vector<std::string>* names) {
  const auto it = std::find(names->begin(), names->end(), name);
  if (it != names->end()) return static_cast<int>(it - names->begin());
  names->push_back(name);
  return static_cast<int>(names->size()) - 1;
}

std::vector<ImportedRuns> FromSglang(const json& j, const std::string& where) {
  std::vector<ImportedRuns> result;
  for (const auto& [expert, steps] : j.items()) {
    const std::string at = fmt::format("{}: expert \"{}\"", where, expert);
    JsonFields(steps, at);
    ImportedRuns runs;
    runs.source = "SGLang";
    runs.pairs.expert = expert == "single" ? "" : expert;
    runs.pairs.prompts = {"mean of all prompts"};
    runs.pairs.branches = {"mean"};
    int last = 0;
    for (const auto& [name, row] : steps.items()) {
      const std::string row_at = fmt::format("{}, step \"{}\"", at, name);
      int step = -1;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
      if (error != std::errc() || end != name.data() + name.size() || step < 0) {
        ThrowUserError(row_at, "must be a step number but is not");
      }
      if (!row.is_array() || row.size() != 3) {
        ThrowUserError(row_at, "must be [count, mean x, mean y] but is not");
      }
      Pair pair;
      pair.weight = NumberOf(row[0], row_at);
      pair.x = NumberOf(row[1], row_at);
      pair.y = NumberOf(row[2], row_at);
      pair.call = pair.step = step;
      CheckPair(pair.x, pair.y, row_at);
      if (!(pair.weight > 0))
        ThrowUserError(row_at, "count must be positive but is {}", pair.weight);
      last = std::max(last, step);
      // SGLang writes (0, 0) for the first call of an expert, which has no predecessor.
      if (pair.x == 0 && pair.y == 0) continue;
      runs.pairs.pairs.push_back(pair);
    }
    runs.pairs.steps = runs.pairs.calls = last + 1;
    runs.pairs.warnings.push_back(kSglangWarning);
    SortPairs(&runs.pairs);
    result.push_back(std::move(runs));
  }
  return result;
}

std::vector<ImportedRuns> FromMlx(const json& j,
                                  const std::string& where,
                                  const ImportOptions& options) {
  const JsonFields fields(j, where);
  const json* signal = &j;
  std::string at = where;
  if (fields.Has("signals")) {
    const std::string name = options.signal.empty() ? "A" : options.signal;
    const json& signals = fields.At("signals");
    if (!signals.is_object() || !signals.contains(name)) {
      ThrowUserError(where, "must have the signal \"{}\" but has not", name);
    }
    signal = &signals.at(name);
    at = fmt::format("{}: signal \"{}\"", where, name);
  } else if (!options.signal.empty()) {
    ThrowUserError(
        where, "must have named signals to choose \"{}\" from but has not", options.signal);
  }
  const JsonFields data(*signal, at);
  const std::vector<double> xs = data.Numbers("x_values");
  const std::vector<double> ys = data.Numbers("y_values");
  if (xs.size() != ys.size()) {
    ThrowUserError(
        at, "x_values and y_values must be as many but are {} and {}", xs.size(), ys.size());
  }
  ImportedRuns runs;
  runs.source = "mlx-teacache";
  runs.model = fields.String("variant", "");
  runs.guidance = fields.Number("guidance", 0);
  runs.width = static_cast<int>(fields.Integer("width", 0));
  runs.height = static_cast<int>(fields.Integer("height", 0));
  const int steps = static_cast<int>(fields.Integer("num_inference_steps", 0));
  const size_t per_prompt = steps > 1 ? static_cast<size_t>(steps) - 1 : 0;
  const bool structured = per_prompt > 0 && xs.size() % per_prompt == 0;
  PairSet& set = runs.pairs;
  set.branches = {"batched"};
  set.steps = steps;
  set.calls = structured ? steps : 0;
  if (!structured) {
    set.prompts = {"all"};
    set.warnings.push_back(fmt::format(
        "{}: {} pairs do not make whole prompts of {} steps: prompts and steps are unknown",
        at,
        xs.size(),
        steps));
  }
  for (size_t i = 0; i < xs.size(); ++i) {
    Pair pair;
    pair.x = xs[i];
    pair.y = ys[i];
    CheckPair(pair.x, pair.y, fmt::format("{}: pair {}", at, i));
    if (structured) {
      pair.prompt = static_cast<int>(i / per_prompt);
      pair.call = pair.step = static_cast<int>(i % per_prompt) + 1;
      if (pair.call == 1) set.prompts.push_back(fmt::format("prompt {}", pair.prompt));
    } else {
      pair.call = pair.step = static_cast<int>(i) + 1;
    }
    set.pairs.push_back(pair);
  }
  return {runs};
}

std::vector<ImportedRuns> FromDifflet(const json& j, const std::string& where) {
  const JsonFields fields(j, where);
  ImportedRuns runs;
  runs.source = "Difflet";
  runs.model = fields.String("model", "");
  PairSet& set = runs.pairs;
  set.branches = {"batched"};
  set.steps = set.calls = static_cast<int>(fields.Integer("num_steps"));
  const json& trajectories = fields.At("trajectories");
  if (!trajectories.is_array()) ThrowUserError(where, "\"trajectories\" must be a list but is not");
  size_t number = 0;
  for (const json& trajectory : trajectories) {
    const std::string at = fmt::format("{}: trajectory {}", where, number++);
    const JsonFields run(trajectory, at);
    const int prompt =
        IndexOf(run.String("prompt", fmt::format("prompt {}", run.Integer("prompt_index", 0))),
                &set.prompts);
    const int64_t seed = run.Integer("seed", 0);
    const json& points = run.At("trajectory");
    if (!points.is_array()) ThrowUserError(at, "\"trajectory\" must be a list but is not");
    for (const json& point : points) {
      const JsonFields row(point, at);
      Pair pair;
      pair.prompt = prompt;
      pair.seed = seed;
      pair.call = pair.step = static_cast<int>(row.Integer("step"));
      pair.x = row.Number("signal");
      pair.y = row.Number("delta");
      CheckPair(pair.x, pair.y, fmt::format("{}, step {}", at, pair.step));
      if (pair.call < 1 || pair.call >= set.calls) {
        ThrowUserError(at, "step must be between 1 and {} but is {}", set.calls - 1, pair.call);
      }
      set.pairs.push_back(pair);
    }
  }
  SortPairs(&set);
  RefuseDuplicates(set, where);
  return {runs};
}

ImportedRuns Unstructured(const std::vector<double>& xs,
                          const std::vector<double>& ys,
                          const std::string& where) {
  ImportedRuns runs;
  runs.pairs.prompts = {"all"};
  runs.pairs.branches = {"batched"};
  for (size_t i = 0; i < xs.size(); ++i) {
    Pair pair;
    pair.x = xs[i];
    pair.y = ys[i];
    CheckPair(pair.x, pair.y, fmt::format("{}: pair {}", where, i));
    pair.call = pair.step = static_cast<int>(i) + 1;
    runs.pairs.pairs.push_back(pair);
  }
  runs.pairs.warnings.push_back(fmt::format(
      "{}: prompts and steps are unknown: intervals take the pairs as independent, and no "
      "schedule can be replayed",
      where));
  return runs;
}

std::vector<ImportedRuns> FromVllmOmni(const json& j, const std::string& where) {
  std::vector<double> xs;
  std::vector<double> ys;
  if (j.is_array()) {
    for (size_t i = 0; i < j.size(); ++i) {
      const std::string at = fmt::format("{}: pair {}", where, i);
      if (!j[i].is_array() || j[i].size() != 2) ThrowUserError(at, "must be [x, y] but is not");
      xs.push_back(NumberOf(j[i][0], at));
      ys.push_back(NumberOf(j[i][1], at));
    }
  } else {
    const JsonFields fields(j, where);
    const bool named = fields.Has("input_diffs");
    xs = fields.Numbers(named ? "input_diffs" : "x");
    ys = fields.Numbers(named ? "output_diffs" : "y");
    if (xs.size() != ys.size()) {
      ThrowUserError(where, "x and y must be as many but are {} and {}", xs.size(), ys.size());
    }
  }
  ImportedRuns runs = Unstructured(xs, ys, where);
  runs.source = "vLLM-Omni";
  return {runs};
}

// Reads CSV without copying more than the names.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  // The next line that is not empty, split at commas; false at the end. Quoted fields may hold
  // commas.
  bool Next(std::vector<std::string_view>* fields) {
    while (begin_ < text_.size()) {
      size_t end = text_.find('\n', begin_);
      if (end == std::string_view::npos) end = text_.size();
      std::string_view line = text_.substr(begin_, end - begin_);
      begin_ = end + 1;
      ++line_;
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (line.empty()) continue;
      Split(line, fields);
      return true;
    }
    return false;
  }

  std::string where() const { return fmt::format("{}:{}", where_, line_); }

 private:
  void Split(std::string_view line, std::vector<std::string_view>* fields) const {
    fields->clear();
    size_t at = 0;
    while (true) {
      if (at < line.size() && line[at] == '"') {
        const size_t close = line.find('"', at + 1);
        if (close == std::string_view::npos)
          ThrowUserError(where(), "a quote must be closed but is not");
        fields->push_back(line.substr(at + 1, close - at - 1));
        at = line.find(',', close);
      } else {
        const size_t comma = line.find(',', at);
        fields->push_back(line.substr(at, comma == std::string_view::npos ? comma : comma - at));
        at = comma;
      }
      if (at == std::string_view::npos) return;
      ++at;
    }
  }

  std::string_view text_;
  std::string where_;
  size_t begin_ = 0;
  int line_ = 0;
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <typename Number>
std::optional<Number> Parse(std::string_view text) {
  text = Trim(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

struct CsvColumns {
  int x = 0;
  int y = 1;
  int prompt = -1;
  int seed = -1;
  int branch = -1;
  int expert = -1;
  int step = -1;
};

CsvColumns FindColumns(const std::vector<std::string_view>& header, const std::string& where) {
  static const std::map<std::string, int CsvColumns::*, std::less<>> kNames = {
      {"x", &CsvColumns::x},
      {"input_rel_l1", &CsvColumns::x},
      {"input_diff", &CsvColumns::x},
      {"y", &CsvColumns::y},
      {"output_rel_l1", &CsvColumns::y},
      {"output_diff", &CsvColumns::y},
      {"prompt", &CsvColumns::prompt},
      {"seed", &CsvColumns::seed},
      {"branch", &CsvColumns::branch},
      {"expert", &CsvColumns::expert},
      {"step", &CsvColumns::step},
      {"call", &CsvColumns::step},
      {"pair", &CsvColumns::step},
  };
  CsvColumns columns;
  columns.x = columns.y = -1;
  for (size_t i = 0; i < header.size(); ++i) {
    const auto it = kNames.find(Trim(header[i]));
    if (it == kNames.end()) {
      ThrowUserError(where,
                     "columns must be x, y, prompt, seed, branch, expert or step but one is \"{}\"",
                     std::string(header[i]));
    }
    if (columns.*(it->second) >= 0) {
      ThrowUserError(where, "columns must be different but \"{}\" is there twice", it->first);
    }
    columns.*(it->second) = static_cast<int>(i);
  }
  if (columns.x < 0 || columns.y < 0)
    ThrowUserError(where, "must have columns x and y but has not");
  return columns;
}

// Names to numbers, quick for the usual case that neighbours have the same.
class Names {
 public:
  int Get(std::string_view name, std::vector<std::string>* names) {
    if (last_ >= 0 && (*names)[last_] == name) return last_;
    const auto [it, inserted] =
        index_.try_emplace(std::string(name), static_cast<int>(names->size()));
    if (inserted) names->emplace_back(name);
    return last_ = it->second;
  }

 private:
  std::map<std::string, int> index_;
  int last_ = -1;
};

std::vector<ImportedRuns> FromCsv(std::string_view text, const std::string& where) {
  CsvReader reader(text, where);
  std::vector<std::string_view> fields;
  if (!reader.Next(&fields)) ThrowUserError(where, "must have rows but is empty");
  CsvColumns columns;
  size_t width = fields.size();
  bool has_row = true;
  if (Parse<double>(fields[0])) {
    if (width != 2) {
      ThrowUserError(
          reader.where(), "without a header must have 2 columns (x, y) but has {}", width);
    }
  } else {
    columns = FindColumns(fields, reader.where());
    has_row = reader.Next(&fields);
  }

  struct Building {
    ImportedRuns runs;
    Names prompts;
    Names branches;
  };
  std::map<std::string, Building, std::less<>> experts;
  Building* building = nullptr;
  std::string_view building_for;
  for (; has_row; has_row = reader.Next(&fields)) {
    if (fields.size() != width) {
      ThrowUserError(reader.where(), "must have {} columns but has {}", width, fields.size());
    }
    const auto field = [&](int column) {
      return column < 0 ? std::string_view() : Trim(fields[column]);
    };
    const auto number = [&](int column, const char* name) {
      const auto value = Parse<double>(fields[column]);
      if (!value) {
        ThrowUserError(reader.where(),
                       "{} must be a number but is \"{}\"",
                       name,
                       std::string(fields[column].substr(0, 40)));
      }
      return *value;
    };
    const auto integer = [&](int column, const char* name, int64_t fallback) {
      if (column < 0) return fallback;
      const auto value = Parse<int64_t>(fields[column]);
      if (!value) {
        ThrowUserError(reader.where(),
                       "{} must be an integer but is \"{}\"",
                       name,
                       std::string(fields[column].substr(0, 40)));
      }
      return *value;
    };
    const std::string_view expert = field(columns.expert);
    if (building == nullptr || expert != building_for) {
      auto it = experts.find(expert);
      if (it == experts.end()) {
        it = experts.try_emplace(std::string(expert)).first;
        it->second.runs.pairs.expert = std::string(expert);
        it->second.runs.source = "CSV";
      }
      building = &it->second;
      building_for = it->first;
    }
    PairSet& set = building->runs.pairs;
    Pair pair;
    pair.x = number(columns.x, "x");
    pair.y = number(columns.y, "y");
    if (!(pair.x >= 0) || !(pair.y >= 0) || std::isinf(pair.x) || std::isinf(pair.y)) {
      CheckPair(pair.x, pair.y, reader.where());
    }
    pair.prompt =
        building->prompts.Get(columns.prompt < 0 ? "all" : field(columns.prompt), &set.prompts);
    pair.branch = building->branches.Get(columns.branch < 0 ? "batched" : field(columns.branch),
                                         &set.branches);
    pair.seed = integer(columns.seed, "seed", 0);
    const int64_t step = integer(columns.step, "step", static_cast<int64_t>(set.pairs.size()) + 1);
    if (step < 0 || step > 1'000'000'000) {
      ThrowUserError(reader.where(), "step must be between 0 and 1000000000 but is {}", step);
    }
    pair.call = pair.step = static_cast<int>(step);
    set.pairs.push_back(pair);
  }

  std::vector<ImportedRuns> result;
  for (auto& [expert, built] : experts) {
    PairSet& set = built.runs.pairs;
    if (columns.step >= 0) {
      int first = set.pairs[0].call;
      int last = first;
      for (const Pair& pair : set.pairs) {
        first = std::min(first, pair.call);
        last = std::max(last, pair.call);
      }
      // Steps counted from the earlier one of a pair: a pair belongs to the later one.
      if (first == 0) {
        for (Pair& pair : set.pairs) pair.call = ++pair.step;
        ++last;
      }
      set.steps = set.calls = last + 1;
      SortPairs(&set);
      RefuseDuplicates(set, where);
    } else {
      set.warnings.push_back(
          fmt::format("{}: steps are unknown: no schedule can be replayed", where));
    }
    result.push_back(std::move(built.runs));
  }
  return result;
}

bool LooksLikeSglang(const json& j) {
  if (!j.is_object() || j.empty()) return false;
  for (const auto& [expert, steps] : j.items()) {
    if (!steps.is_object() || steps.empty()) return false;
    if (!steps.begin().value().is_array()) return false;
  }
  return true;
}

ImportFormat Detect(const json& j, const std::string& where) {
  if (j.is_array()) return ImportFormat::kVllmOmni;
  if (j.is_object()) {
    if (j.contains("trajectories")) return ImportFormat::kDifflet;
    if (j.contains("x_values") || j.contains("signals")) return ImportFormat::kMlx;
    if (j.contains("input_diffs") || (j.contains("x") && j.contains("y"))) {
      return ImportFormat::kVllmOmni;
    }
    if (LooksLikeSglang(j)) return ImportFormat::kSglang;
  }
  ThrowUserError(
      where,
      "must be a trace, SGLang rows, an mlx-teacache or Difflet calibration, pairs or CSV but "
      "is none of them");
}

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

std::vector<ImportedRuns> ImportPairsFromText(const std::string& text,
                                              const std::string& where,
                                              const ImportOptions& options) {
  ImportFormat format = options.format;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) ThrowUserError(where, "must have pairs but is empty");
  const bool is_json = text[first] == '{' || text[first] == '[';
  std::vector<ImportedRuns> result;
  if (format == ImportFormat::kCsv || (format == ImportFormat::kAuto && !is_json)) {
    result = FromCsv(text, where);
  } else {
    const json j = ParseJson(text, where);
    if (format == ImportFormat::kAuto) format = Detect(j, where);
    switch (format) {
      case ImportFormat::kSglang:
        JsonFields(j, where);
        result = FromSglang(j, where);
        break;
      case ImportFormat::kMlx:
        result = FromMlx(j, where, options);
        break;
      case ImportFormat::kDifflet:
        result = FromDifflet(j, where);
        break;
      default:
        result = FromVllmOmni(j, where);
        break;
    }
  }
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
      if (runs.source == "SGLang") MergeMeans(&runs.pairs);
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

ImportFormat ParseImportFormat(const std::string& text) {
  const std::vector<std::pair<std::string, ImportFormat>> names = {
      {"auto", ImportFormat::kAuto},
      {"sglang", ImportFormat::kSglang},
      {"mlx-teacache", ImportFormat::kMlx},
      {"difflet", ImportFormat::kDifflet},
      {"vllm-omni", ImportFormat::kVllmOmni},
      {"csv", ImportFormat::kCsv}};
  for (const auto& [name, format] : names) {
    if (text == name) return format;
  }
  ThrowUserError("format",
                 "must be auto, sglang, mlx-teacache, difflet, vllm-omni or csv but is \"{}\"",
                 text);
}

}  // namespace teacache
