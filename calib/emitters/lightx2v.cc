// LightX2V: fields of its configuration JSON. For Wan "coefficients" holds two lists, of which the
// first is read with use_ret_steps and the second without; for HunyuanVideo it is one flat list
// (lightx2v/models/networks/{wan,hunyuan_video}/infer/feature_caching/transformer_infer.py).

#include <nlohmann/json.hpp>

#include "calib/emitters/emitter.h"

namespace teacache {
namespace {

using Needs = EmitFormat::Needs;
using nlohmann::ordered_json;

ordered_json Common(const EmitInput& input) {
  RefuseExperts(input, "lightx2v");
  ordered_json j;
  j["feature_caching"] = "Tea";
  j["teacache_thresh"] = ThresholdOf(input, input.coefficients.set, "lightx2v");
  return j;
}

EmittedText Text(const std::string& name, const ordered_json& j, std::vector<std::string> notes) {
  return {name, j.dump(2) + "\n", "merge into the JSON given with --config_json", std::move(notes)};
}

EmittedText Write(const EmitInput& input) {
  ordered_json j = Common(input);
  const CoefficientSet& set = input.coefficients.set;
  const bool ret = input.rule.first_computed >= 5;
  j["use_ret_steps"] = ret;
  j["coefficients"] = {set.coefficients, set.coefficients};
  return Text(ret ? "lightx2v-ret.json" : "lightx2v.json",
              j,
              {"LightX2V reads the first list with use_ret_steps and the second without; both hold "
               "this fit, which is right only for the tensor that was recorded."});
}

EmittedText WriteFlat(const EmitInput& input) {
  ordered_json j = Common(input);
  j["coefficients"] = input.coefficients.set.coefficients;
  return Text("lightx2v-flat.json", j, {});
}

}  // namespace

EmitFormat LightX2vFormat() {
  return {"lightx2v", "LightX2V (Wan): JSON", "teacache", Needs::kCoefficients, Write};
}

EmitFormat LightX2vRetFormat() {
  return {"lightx2v-ret",
          "LightX2V (Wan) with use_ret_steps: JSON",
          "teacache-ret",
          Needs::kCoefficients,
          Write};
}

EmitFormat LightX2vFlatFormat() {
  return {"lightx2v-flat",
          "LightX2V (HunyuanVideo): JSON with one list",
          "teacache",
          Needs::kCoefficients,
          WriteFlat};
}

}  // namespace teacache
