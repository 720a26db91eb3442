// Difflet's recorded pairs,
// {"trajectories": [{"prompt", "seed", "trajectory": [{"step", "signal", "delta"}]}]}.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calib/importers/importer.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

bool Recognises(const ImportSource& source) {
  return source.looks_like_json() && source.Json().Has("trajectories");
}

std::string PromptOf(const JsonNode& run) {
  return run.String("prompt", fmt::format("prompt {}", run.Integer("prompt_index", 0)));
}

void ReadTrajectory(const JsonNode& run, NameIndex* prompts, PairSet* set) {
  const int prompt = prompts->Get(PromptOf(run), &set->prompts);
  const int64_t seed = run.Integer("seed", 0);
  run.At("trajectory").ForEachElement([&](const JsonNode& point) {
    Pair pair;
    pair.prompt = prompt;
    pair.seed = seed;
    const int64_t step = point.Integer("step");
    pair.x = point.Number("signal");
    pair.y = point.Number("delta");
    if (pair.x < 0) point.At("signal").Refuse("must be >= 0");
    if (pair.y < 0) point.At("delta").Refuse("must be >= 0");
    if (step < 1 || step >= set->calls) {
      point.At("step").Refuse(fmt::format("must be between 1 and {}", set->calls - 1));
    }
    pair.call = pair.step = static_cast<int>(step);
    set->pairs.push_back(pair);
  });
}

void RefuseDuplicates(const JsonNode& trajectories, const PairSet& set) {
  const Pair* twice = FindDuplicate(set);
  if (twice == nullptr) return;
  bool seen = false;
  trajectories.ForEachElement([&](const JsonNode& run) {
    if (PromptOf(run) != set.prompts[twice->prompt] || run.Integer("seed", 0) != twice->seed)
      return;
    run.At("trajectory").ForEachElement([&](const JsonNode& point) {
      if (point.Integer("step") != twice->step || !std::exchange(seen, true)) return;
      ThrowUserError(
          point.Where(), "pairs must be different but {} appears twice", DescribePair(set, *twice));
    });
  });
}

std::vector<ImportedRuns> Read(const ImportSource& source) {
  const JsonNode root = source.Json();
  ImportedRuns runs;
  runs.source = "Difflet";
  runs.model = root.String("model", "");
  PairSet& set = runs.pairs;
  set.branches = {"batched"};
  set.steps = set.calls = static_cast<int>(root.Integer("num_steps"));
  NameIndex prompts;
  const JsonNode trajectories = root.At("trajectories");
  // No pair is shorter in writing than this, whatever "num_steps" says.
  constexpr size_t kShortestPair = 30;
  set.pairs.reserve(std::min(trajectories.size() * static_cast<size_t>(std::max(set.calls, 0)),
                             source.text().size() / kShortestPair));
  trajectories.ForEachElement(
      [&](const JsonNode& trajectory) { ReadTrajectory(trajectory, &prompts, &set); });
  SortPairs(&set);
  RefuseDuplicates(trajectories, set);
  return OneExpert(std::move(runs));
}

}  // namespace

Importer DiffletImporter() { return {"difflet", Recognises, Read}; }

}  // namespace teacache
