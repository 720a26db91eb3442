// Difflet: TeaCacheCalibration.from_json, coefficients lowest power first; the pipeline checks
// model, shape_label and num_steps (difflet/pipeline/teacache.py).

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;

EmittedText Write(const EmitInput& input) {
  RefuseExperts(input, "difflet");
  const CoefficientSet& set = input.coefficients.set;
  const CoefficientProvenance& p = input.coefficients.provenance;
  ordered_json j;
  j["schema"] = "difflet-m9-teacache-calibration-v1";
  j["model"] = ModelName(input);
  j["shape_label"] = p.frames > 1 ? fmt::format("{}x{}x{}", p.height, p.width, p.frames)
                                  : fmt::format("{}x{}", p.height, p.width);
  j["num_steps"] = p.steps;
  j["poly_coef"] = std::vector<double>(set.coefficients.rbegin(), set.coefficients.rend());
  j["threshold"] = ThresholdOf(input, set, "difflet");
  j["warmup_steps"] = input.rule.first_computed;
  j["cooldown_steps"] = input.rule.last_computed;
  j["target_speedup"] =
      input.target_speedup > 0 ? ordered_json(input.target_speedup) : ordered_json(nullptr);
  const auto r2 = set.stats.find("r2");
  j["fit_r2"] = r2 != set.stats.end() ? ordered_json(r2->second.value) : ordered_json(nullptr);
  j["n_samples"] = p.pairs;
  j["accumulate"] = true;
  return {"difflet.json", j.dump(2) + "\n", "the model's teacache_calibration path", {}};
}

}  // namespace

EmitFormat DiffletFormat() {
  return {"difflet",
          "Difflet: JSON, lowest power first",
          "difflet",
          EmitFormat::Needs::kCoefficients,
          Write};
}

}  // namespace teacache
