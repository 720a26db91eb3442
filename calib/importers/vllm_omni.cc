// vLLM-Omni's collected pairs, {"input_diffs": [...], "output_diffs": [...]} or [[x, y], ...]: no
// prompts, no steps.

#include <fmt/format.h>

#include <array>

#include "calib/importers/importer.h"

namespace teacache {
namespace {

std::vector<Pair> ReadListOfPairs(const JsonNode& root) {
  std::vector<Pair> pairs;
  pairs.reserve(root.size());
  std::array<double, 2> xy = {};
  root.ForEachElement([&](const JsonNode& entry) {
    if (!entry.ReadNumbers(xy) || xy[0] < 0 || xy[1] < 0) {
      entry.Refuse("must be [x, y], two finite numbers >= 0,");
    }
    Pair pair;
    pair.x = xy[0];
    pair.y = xy[1];
    pair.call = pair.step = static_cast<int>(pairs.size()) + 1;
    pairs.push_back(pair);
  });
  return pairs;
}

bool Recognises(const ImportSource& source) {
  if (!source.looks_like_json()) return false;
  const JsonNode root = source.Json();
  return root.is_array() || root.Has("input_diffs") || (root.Has("x") && root.Has("y"));
}

std::vector<ImportedRuns> Read(const ImportSource& source) {
  const JsonNode root = source.Json();
  ImportedRuns runs;
  runs.source = "vLLM-Omni";
  runs.pairs.prompts = {"all"};
  runs.pairs.branches = {"batched"};
  if (root.is_array()) {
    runs.pairs.pairs = ReadListOfPairs(root);
  } else {
    const bool named = root.Has("input_diffs");
    runs.pairs.pairs =
        ReadPairLists(root.At(named ? "input_diffs" : "x"), root.At(named ? "output_diffs" : "y"));
  }
  runs.pairs.warnings.push_back(fmt::format(
      "{}: prompts and steps are unknown: intervals take the pairs as independent, and no "
      "schedule can be replayed",
      source.where()));
  return OneExpert(std::move(runs));
}

}  // namespace

Importer VllmOmniImporter() { return {"vllm-omni", Recognises, Read}; }

}  // namespace teacache
