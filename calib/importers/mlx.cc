// mlx-teacache's calibration JSON: "x_values", "y_values", in newer files one of each per signal.

#include "calib/importers/importer.h"
#include "datasets/error.h"
#include "datasets/json_fields.h"

namespace teacache {
namespace {

using nlohmann::json;

// The object that holds the values, and where it is.
std::pair<const json*, std::string> FindSignal(const JsonFields& fields,
                                               const json& j,
                                               const ImportOptions& options) {
  const std::string& where = fields.where();
  if (!fields.Has("signals")) {
    if (!options.signal.empty()) {
      ThrowUserError(
          where, "must have named signals to choose \"{}\" from but has not", options.signal);
    }
    return {&j, where};
  }
  const std::string name = options.signal.empty() ? "A" : options.signal;
  const json& signals = fields.At("signals");
  if (!signals.is_object() || !signals.contains(name)) {
    ThrowUserError(where, "must have the signal \"{}\" but has not", name);
  }
  return {&signals.at(name), fmt::format("{}: signal \"{}\"", where, name)};
}

bool Recognises(const ImportSource& source) {
  if (!source.looks_like_json()) return false;
  const json& j = source.Json();
  return j.is_object() && (j.contains("x_values") || j.contains("signals"));
}

std::vector<ImportedRuns> Read(const ImportSource& source) {
  const json& j = source.Json();
  const JsonFields fields(j, source.where());
  const auto [signal, at] = FindSignal(fields, j, source.options());
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
  set.pairs.reserve(xs.size());
  for (size_t i = 0; i < xs.size(); ++i) {
    Pair pair;
    pair.x = xs[i];
    pair.y = ys[i];
    if (pair.x < 0 || pair.y < 0) CheckPair(pair.x, pair.y, fmt::format("{}: pair {}", at, i));
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

}  // namespace

Importer MlxImporter() { return {"mlx-teacache", Recognises, Read}; }

}  // namespace teacache
