// vLLM-Omni's collected pairs, {"input_diffs": [...], "output_diffs": [...]} or [[x, y], ...]: no
// prompts, no steps.

#include "calib/importers/importer.h"
#include "datasets/error.h"
#include "datasets/json_fields.h"

namespace teacache {
namespace {

using nlohmann::json;

ImportedRuns Unstructured(const std::vector<double>& xs,
                          const std::vector<double>& ys,
                          const std::string& where) {
  ImportedRuns runs;
  runs.source = "vLLM-Omni";
  runs.pairs.prompts = {"all"};
  runs.pairs.branches = {"batched"};
  runs.pairs.pairs.reserve(xs.size());
  for (size_t i = 0; i < xs.size(); ++i) {
    Pair pair;
    pair.x = xs[i];
    pair.y = ys[i];
    if (!(pair.x >= 0) || !(pair.y >= 0)) {
      CheckPair(pair.x, pair.y, fmt::format("{}: pair {}", where, i));
    }
    pair.call = pair.step = static_cast<int>(i) + 1;
    runs.pairs.pairs.push_back(pair);
  }
  runs.pairs.warnings.push_back(fmt::format(
      "{}: prompts and steps are unknown: intervals take the pairs as independent, and no "
      "schedule can be replayed",
      where));
  return runs;
}

bool Recognises(const ImportSource& source) {
  if (!source.looks_like_json()) return false;
  const json& j = source.Json();
  if (j.is_array()) return true;
  return j.is_object() && (j.contains("input_diffs") || (j.contains("x") && j.contains("y")));
}

std::vector<ImportedRuns> Read(const ImportSource& source) {
  const json& j = source.Json();
  const std::string& where = source.where();
  std::vector<double> xs;
  std::vector<double> ys;
  if (j.is_array()) {
    xs.reserve(j.size());
    ys.reserve(j.size());
    for (size_t i = 0; i < j.size(); ++i) {
      const json& pair = j[i];
      if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_number()) {
        ThrowUserError(fmt::format("{}: pair {}", where, i),
                       "must be [x, y], two numbers, but is {}",
                       pair.dump().substr(0, 40));
      }
      xs.push_back(pair[0].get<double>());
      ys.push_back(pair[1].get<double>());
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
  return {Unstructured(xs, ys, where)};
}

}  // namespace

Importer VllmOmniImporter() { return {"vllm-omni", Recognises, Read}; }

}  // namespace teacache
