// SGLang's calibration rows, {expert: {"step": [count, mean x, mean y]}}: means over prompts and
// branches.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "calib/importers/importer.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr const char* kSpreadIsLost =
    "SGLang rows are means over prompts and branches: the spread is lost, so R2 and intervals say "
    "nothing about single prompts";

int StepOf(std::string_view name, const JsonNode& row) {
  int step = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0) {
    ThrowUserError(row.Where(), "must be under a step number but \"{}\" is none", name);
  }
  return step;
}

Pair ReadRow(std::string_view name, const JsonNode& row) {
  Pair pair;
  pair.call = pair.step = StepOf(name, row);
  std::array<double, 3> numbers = {};
  if (!row.ReadNumbers(numbers))
    row.Refuse("must be [count, mean x, mean y], three finite numbers,");
  pair.weight = numbers[0];
  pair.x = numbers[1];
  pair.y = numbers[2];
  if (!(pair.weight > 0)) row.At(0).Refuse("count must be positive");
  if (pair.x < 0) row.At(1).Refuse("mean x must be >= 0");
  if (pair.y < 0) row.At(2).Refuse("mean y must be >= 0");
  return pair;
}

ImportedRuns ReadExpert(std::string_view expert, const JsonNode& steps) {
  ImportedRuns runs;
  runs.source = "SGLang";
  runs.pairs.means = true;
  runs.pairs.expert = expert == "single" ? "" : expert;
  runs.pairs.prompts = {"mean of all prompts"};
  runs.pairs.branches = {"mean"};
  runs.pairs.pairs.reserve(steps.size());
  int last = 0;
  steps.ForEachMember([&](std::string_view name, const JsonNode& row) {
    const Pair pair = ReadRow(name, row);
    last = std::max(last, pair.step);
    // SGLang writes (0, 0) for the first call of an expert, which has no predecessor.
    if (pair.x != 0 || pair.y != 0) runs.pairs.pairs.push_back(pair);
  });
  runs.pairs.steps = runs.pairs.calls = last + 1;
  runs.pairs.warnings.emplace_back(kSpreadIsLost);
  SortPairs(&runs.pairs);
  if (const Pair* twice = FindDuplicate(runs.pairs)) {  // "1" and "01"
    ThrowUserError(steps.Where(), "steps must be different but {} appears twice", twice->step);
  }
  return runs;
}

bool Recognises(const ImportSource& source) {
  if (!source.looks_like_json()) return false;
  const JsonNode root = source.Json();
  if (!root.is_object() || root.size() == 0) return false;
  bool lists_in_objects = true;
  root.ForEachMember([&](std::string_view, const JsonNode& steps) {
    bool begins_with_list = false;
    bool first = true;
    if (steps.is_object()) {
      steps.ForEachMember([&](std::string_view, const JsonNode& row) {
        if (std::exchange(first, false)) begins_with_list = row.is_array();
      });
    }
    lists_in_objects &= begins_with_list;
  });
  return lists_in_objects;
}

std::vector<ImportedRuns> Read(const ImportSource& source) {
  std::vector<ImportedRuns> result;
  source.Json().ForEachMember([&](std::string_view expert, const JsonNode& steps) {
    result.push_back(ReadExpert(expert, steps));
    for (size_t i = 0; i + 1 < result.size(); ++i) {
      if (result[i].pairs.expert == result.back().pairs.expert) {
        ThrowUserError(
            source.where(), "experts must be different but \"{}\" appears twice", expert);
      }
    }
  });
  std::sort(result.begin(), result.end(), [](const ImportedRuns& a, const ImportedRuns& b) {
    return a.pairs.expert < b.pairs.expert;
  });
  return result;
}

}  // namespace

Importer SglangImporter() { return {"sglang", Recognises, Read}; }

}  // namespace teacache
