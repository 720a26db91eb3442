// mlx-teacache's calibration JSON: "x_values", "y_values", in newer files one of each per signal.

#include <fmt/format.h>

#include <algorithm>

#include "calib/importers/importer.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

// The object that holds the values.
JsonNode FindSignal(const JsonNode& root, const ImportOptions& options) {
  if (!root.Has("signals")) {
    if (!options.signal.empty()) {
      ThrowUserError(root.Where(),
                     "must have named signals to choose \"{}\" from but has not",
                     options.signal);
    }
    return root;
  }
  const JsonNode signals = root.At("signals");
  const std::string& name = options.signal;
  if (name.empty()) return signals.At("A");
  if (!signals.Has(name)) {
    ThrowUserError(signals.Where(), "must have the signal \"{}\" but has not", name);
  }
  return signals.At(name);
}

// How many prompts the pairs are of; 0 = not said.
int64_t PromptCount(const JsonNode& root) {
  for (const char* name : {"n_fit_prompts", "num_fit_prompts", "n_prompts", "num_prompts"}) {
    if (root.Has(name)) return root.Integer(name, 0);
  }
  return 0;
}

bool Recognises(const ImportSource& source) {
  if (!source.looks_like_json()) return false;
  return source.Json().Has("x_values") || source.Json().Has("signals");
}

std::vector<ImportedRuns> Read(const ImportSource& source) {
  const JsonNode root = source.Json();
  const JsonNode signal = FindSignal(root, source.options());
  ImportedRuns runs;
  runs.source = "mlx-teacache";
  runs.model = root.String("variant", "");
  runs.guidance = root.Number("guidance", 0);
  runs.width = static_cast<int>(root.Integer("width", 0));
  runs.height = static_cast<int>(root.Integer("height", 0));
  PairSet& set = runs.pairs;
  set.branches = {"batched"};
  set.pairs = ReadPairLists(signal.At("x_values"), signal.At("y_values"));
  const int steps = static_cast<int>(root.Integer("num_inference_steps", 0));
  set.steps = steps;
  const size_t pairs = set.pairs.size();
  const auto prompts = static_cast<size_t>(std::max<int64_t>(PromptCount(root), 0));
  size_t per_prompt = steps > 1 ? static_cast<size_t>(steps) - 1 : 0;
  if (prompts > 0 && pairs % prompts == 0) {
    if (per_prompt * prompts != pairs && steps > 0) {
      set.warnings.push_back(fmt::format(
          "{}: {} steps mean {} pairs of each prompt, but the file has {} pairs of {} prompts, {} "
          "each: the number of prompts decides",
          signal.Where(),
          steps,
          per_prompt,
          pairs,
          prompts,
          pairs / prompts));
    }
    per_prompt = pairs / prompts;
  } else if (prompts > 0 || per_prompt == 0 || pairs % per_prompt != 0) {
    set.prompts = {"all"};
    set.warnings.push_back(fmt::format(
        "{}: {} pairs do not make whole prompts{} of {} steps: prompts and steps are unknown",
        signal.Where(),
        pairs,
        prompts > 0 ? fmt::format(" ({} of them)", prompts) : "",
        steps));
    return OneExpert(std::move(runs));
  }
  set.calls = static_cast<int>(per_prompt) + 1;
  for (size_t i = 0; i < set.pairs.size(); ++i) {
    Pair& pair = set.pairs[i];
    pair.prompt = static_cast<int>(i / per_prompt);
    pair.call = pair.step = static_cast<int>(i % per_prompt) + 1;
    if (pair.call == 1) set.prompts.push_back(fmt::format("prompt {}", pair.prompt));
  }
  return OneExpert(std::move(runs));
}

}  // namespace

Importer MlxImporter() { return {"mlx-teacache", Recognises, Read}; }

}  // namespace teacache
