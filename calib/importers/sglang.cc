// SGLang's calibration rows, {expert: {"step": [count, mean x, mean y]}}: means over prompts and
// branches.

#include <algorithm>
#include <charconv>

#include "calib/importers/importer.h"
#include "datasets/error.h"
#include "datasets/json_fields.h"

namespace teacache {
namespace {

using nlohmann::json;

constexpr const char* kSpreadIsLost =
    "SGLang rows are means over prompts and branches: the spread is lost, so R2 and intervals say "
    "nothing about single prompts";

double NumberOf(const json& value, const std::string& where) {
  if (!value.is_number()) {
    ThrowUserError(where, "must be a number but is {}", value.dump().substr(0, 40));
  }
  return value.get<double>();
}

int StepOf(const std::string& name, const std::string& where) {
  int step = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0) {
    ThrowUserError(where, "must be a step number but is not");
  }
  return step;
}

ImportedRuns ReadExpert(const std::string& expert, const json& steps, const std::string& at) {
  JsonFields(steps, at);
  ImportedRuns runs;
  runs.source = "SGLang";
  runs.means = true;
  runs.pairs.expert = expert == "single" ? "" : expert;
  runs.pairs.prompts = {"mean of all prompts"};
  runs.pairs.branches = {"mean"};
  int last = 0;
  for (const auto& [name, row] : steps.items()) {
    const std::string row_at = fmt::format("{}, step \"{}\"", at, name);
    const int step = StepOf(name, row_at);
    if (!row.is_array() || row.size() != 3) {
      ThrowUserError(row_at, "must be [count, mean x, mean y] but is not");
    }
    Pair pair;
    pair.weight = NumberOf(row[0], row_at);
    pair.x = NumberOf(row[1], row_at);
    pair.y = NumberOf(row[2], row_at);
    pair.call = pair.step = step;
    CheckPair(pair.x, pair.y, row_at);
    if (!(pair.weight > 0)) {
      ThrowUserError(row_at, "count must be positive but is {}", pair.weight);
    }
    last = std::max(last, step);
    // SGLang writes (0, 0) for the first call of an expert, which has no predecessor.
    if (pair.x == 0 && pair.y == 0) continue;
    runs.pairs.pairs.push_back(pair);
  }
  runs.pairs.steps = runs.pairs.calls = last + 1;
  runs.pairs.warnings.push_back(kSpreadIsLost);
  SortPairs(&runs.pairs);
  RefuseDuplicates(runs.pairs, at);  // "1" and "01"
  return runs;
}

bool Recognises(const ImportSource& source) {
  if (!source.looks_like_json()) return false;
  const json& j = source.Json();
  if (!j.is_object() || j.empty()) return false;
  for (const auto& [expert, steps] : j.items()) {
    if (!steps.is_object() || steps.empty()) return false;
    if (!steps.begin().value().is_array()) return false;
  }
  return true;
}

std::vector<ImportedRuns> Read(const ImportSource& source) {
  const json& j = source.Json();
  JsonFields(j, source.where());
  std::vector<ImportedRuns> result;
  for (const auto& [expert, steps] : j.items()) {
    result.push_back(
        ReadExpert(expert, steps, fmt::format("{}: expert \"{}\"", source.where(), expert)));
  }
  return result;
}

}  // namespace

Importer SglangImporter() { return {"sglang", Recognises, Read}; }

}  // namespace teacache
