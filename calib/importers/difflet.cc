// Difflet's recorded pairs,
// {"trajectories": [{"prompt", "seed", "trajectory": [{"step", "signal", "delta"}]}]}.

#include "calib/importers/importer.h"
#include "datasets/error.h"
#include "datasets/json_fields.h"

namespace teacache {
namespace {

using nlohmann::json;

bool Recognises(const ImportSource& source) {
  if (!source.looks_like_json()) return false;
  const json& j = source.Json();
  return j.is_object() && j.contains("trajectories");
}

void ReadTrajectory(const json& trajectory, const std::string& at, PairSet* set) {
  const JsonFields run(trajectory, at);
  const int prompt =
      IndexOf(run.String("prompt", fmt::format("prompt {}", run.Integer("prompt_index", 0))),
              &set->prompts);
  const int64_t seed = run.Integer("seed", 0);
  const json& points = run.At("trajectory");
  if (!points.is_array()) ThrowUserError(at, "\"trajectory\" must be a list but is not");
  for (const json& point : points) {
    const JsonFields row(point, at);
    Pair pair;
    pair.prompt = prompt;
    pair.seed = seed;
    const int64_t step = row.Integer("step");
    pair.x = row.Number("signal");
    pair.y = row.Number("delta");
    if (pair.x < 0 || pair.y < 0) {
      CheckPair(pair.x, pair.y, fmt::format("{}, step {}", at, step));
    }
    if (step < 1 || step >= set->calls) {
      ThrowUserError(at, "step must be between 1 and {} but is {}", set->calls - 1, step);
    }
    pair.call = pair.step = static_cast<int>(step);
    set->pairs.push_back(pair);
  }
}

std::vector<ImportedRuns> Read(const ImportSource& source) {
  const std::string& where = source.where();
  const JsonFields fields(source.Json(), where);
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
    ReadTrajectory(trajectory, fmt::format("{}: trajectory {}", where, number++), &set);
  }
  SortPairs(&set);
  RefuseDuplicates(set, where);
  return {runs};
}

}  // namespace

Importer DiffletImporter() { return {"difflet", Recognises, Read}; }

}  // namespace teacache
