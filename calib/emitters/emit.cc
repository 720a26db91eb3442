#include "calib/emitters/emit.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "calib/emitters/emitter.h"
#include "calib/expected_signal.h"
#include "calib/fit/polynomial.h"
#include "calib/replay/engine_warnings.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/version.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;
using Needs = EmitFormat::Needs;

ordered_json SetFacts(const CoefficientSet& set) {
  ordered_json j;
  j["coefficients"] = set.coefficients;
  if (set.x_max > set.x_min) j["x_range"] = {set.x_min, set.x_max};
  for (const auto& [name, stat] : set.stats) {
    j[name] = stat.value;
    if (stat.lo && stat.hi) j[name + "_ci95"] = {*stat.lo, *stat.hi};
  }
  return j;
}

ordered_json FactsJson(const EmitFacts& facts) {
  ordered_json j;
  j["verdict"] = {{"kind", facts.verdict}, {"text", facts.verdict_text}};
  if (!facts.threshold_text.empty()) j["threshold"] = facts.threshold_text;
  if (!facts.reached) j["target_reached"] = false;
  if (facts.mean_skips >= 0) {
    j["predicted_skips"] = facts.mean_skips;
    j["predicted_speedup"] = facts.speedup;
  }
  return j;
}

std::string Provenance(const EmitFormat& format,
                       const EmitInput& input,
                       const EmittedText& written) {
  ordered_json j;
  j["format"] = "teacache-emitted";
  j["version"] = 1;
  j["file"] = written.name;
  j["engine"] = format.name;
  j["engine_rule"] = input.rule.description;
  j["usage"] = written.usage;
  j["tool_version"] = kVersion;
  j["model"] = ModelName(input);
  if (format.needs == Needs::kCoefficients) {
    j["fit"] = SetFacts(input.coefficients.set);
    for (const auto& [expert, set] : input.coefficients.experts) {
      j["experts"][expert] = SetFacts(set);
    }
    if (input.target_speedup > 0) j["target_speedup"] = input.target_speedup;
    for (const auto& [expert, facts] : input.facts) {
      (expert.empty() ? j["by_rule"] : j["by_rule"][expert]) = FactsJson(facts);
    }
  }
  // The recipe: numbers fitted under one must not be used under another without a check.
  const std::string coefficients = CoefficientsToJson(input.coefficients);
  j["provenance"] = ordered_json::parse(coefficients)["provenance"];
  std::vector<std::string> warnings;
  if (format.needs == Needs::kCoefficients) {
    const std::string mismatch = EmitMismatch(format.name, input);
    if (!mismatch.empty()) warnings.push_back(mismatch);
  }
  warnings.insert(warnings.end(), input.notes.begin(), input.notes.end());
  warnings.insert(warnings.end(), written.notes.begin(), written.notes.end());
  if (format.needs == Needs::kCoefficients) {
    const auto add = [&](const CoefficientSet& set, const std::string& prefix) {
      for (const std::string& warning : EngineWarnings(set, input.rule)) {
        warnings.push_back(prefix + warning);
      }
    };
    if (input.coefficients.experts.empty()) add(input.coefficients.set, "");
    for (const auto& [expert, set] : input.coefficients.experts) add(set, expert + ": ");
  }
  j["warnings"] = warnings;
  return j.dump(2) + "\n";
}

}  // namespace

const std::vector<EmitFormat>& EmitFormats() {
  static const std::vector<EmitFormat> formats = {VllmOmniFormat(),
                                                  SglangFormat(),
                                                  TensorRtLlmFormat(),
                                                  TensorRtLlmRetFormat(),
                                                  LightX2vFormat(),
                                                  LightX2vRetFormat(),
                                                  LightX2vFlatFormat(),
                                                  DiffletFormat(),
                                                  ComfyUiFormat(),
                                                  DiffSynthFormat(),
                                                  VideoXFunFormat(),
                                                  MagCacheFormat(),
                                                  SmoothCacheFormat(),
                                                  CacheDitFormat(),
                                                  SdCppFormat()};
  return formats;
}

const EmitFormat& FindEmitFormat(const std::string& name) {
  std::vector<std::string> names;
  for (const EmitFormat& format : EmitFormats()) {
    if (format.name == name) return format;
    names.push_back(format.name);
  }
  ThrowUserError("emit", "format must be one of {} but is \"{}\"", fmt::join(names, ", "), name);
}

std::vector<EmittedFile> Emit(const std::string& format_name, const EmitInput& input) {
  const EmitFormat& format = FindEmitFormat(format_name);
  const EmittedText written = format.write(input);
  return {{written.name, written.text},
          {written.name + ".provenance.json", Provenance(format, input, written)}};
}

std::string EmitMismatch(const std::string& format, const EmitInput& input) {
  if (FindEmitFormat(format).needs != Needs::kCoefficients) return "";
  return SignalMismatch(format, ModelName(input), input.coefficients.provenance.modulated);
}

std::vector<std::string> EmittedNames(const std::string& format) {
  const auto is_one_of = [&](const std::set<std::string>& names) { return names.contains(format); };
  std::string name = FindEmitFormat(format).name;
  if (is_one_of({"comfyui", "diffsynth", "videox-fun"})) {
    name += ".py";
  } else if (is_one_of({"tensorrt-llm", "tensorrt-llm-ret", "cache-dit"})) {
    name += ".yaml";
  } else {
    name += format == "sd-cpp" ? ".txt" : ".json";
  }
  return {name, name + ".provenance.json"};
}

std::vector<std::string> WriteEmitted(const std::string& folder,
                                      const std::vector<EmittedFile>& files) {
  MakeFolders(folder);
  std::vector<std::string> paths;
  for (const EmittedFile& file : files) {
    paths.push_back(folder + "/" + file.name);
    AtomicWriteFile(paths.back(), file.text);
  }
  return paths;
}

std::string ModelName(const EmitInput& input) {
  if (!input.model.empty()) return input.model;
  if (!input.coefficients.provenance.model.empty()) return input.coefficients.provenance.model;
  return "model";
}

double ThresholdOf(const EmitInput& input, const CoefficientSet& set, const std::string& format) {
  const double threshold = set.threshold.value_or(input.threshold);
  if (!(threshold > 0) || !std::isfinite(threshold)) {
    ThrowUserError(format,
                   "needs a threshold > 0 but has {}; give one or a target to choose it by",
                   threshold);
  }
  return threshold;
}

// Exactly five numbers: lower degrees with leading zeros.
std::vector<double> Five(const CoefficientSet& set, const std::string& format) {
  std::vector<double> five = set.coefficients;
  if (five.size() > 5) {
    ThrowUserError(format, "takes 5 coefficients (degree 4) but the fit has {}", five.size());
  }
  five.insert(five.begin(), 5 - five.size(), 0.0);
  return five;
}

void RefuseExperts(const EmitInput& input, const std::string& format) {
  if (!input.coefficients.experts.empty()) {
    ThrowUserError(
        format,
        "takes one set of coefficients but there is one for each of {} experts; fit one with "
        "--expert",
        input.coefficients.experts.size());
  }
}

// The sets of a model with a high-noise and a low-noise expert.
std::pair<const CoefficientSet*, const CoefficientSet*> HighAndLow(const EmitInput& input,
                                                                   const std::string& format) {
  const auto& experts = input.coefficients.experts;
  const auto high = experts.find("high");
  const auto low = experts.find("low");
  if (experts.size() != 2 || high == experts.end() || low == experts.end()) {
    ThrowUserError(
        format, "takes experts named \"high\" and \"low\" but there are {} others", experts.size());
  }
  return {&high->second, &low->second};
}

std::vector<int> MaskNumbers(const EmitInput& input, const std::string& format) {
  if (input.mask.empty() || !input.mask.front()) {
    ThrowUserError(format, "needs a schedule that computes the first call but has none");
  }
  return {input.mask.begin(), input.mask.end()};
}

std::string PythonAssignment(const EmitInput& input,
                             const std::string& format,
                             const std::string& target) {
  RefuseExperts(input, format);
  const CoefficientSet& set = input.coefficients.set;
  const std::string key = ordered_json(ModelName(input)).dump();  // quoted for Python too
  return fmt::format("# rel_l1_thresh = {}\n{} = {}\n",
                     ThresholdOf(input, set, format),
                     fmt::format(fmt::runtime(target), key),
                     FormatCoefficients(Five(set, format)));
}

std::string YamlNumber(double value) {
  std::string text = fmt::format("{}", value);
  const size_t exponent = text.find('e');
  if (exponent != std::string::npos && text.find('.') == std::string::npos) {
    text.insert(exponent, ".0");
  }
  return text;
}

std::string YamlList(const std::vector<double>& values) {
  std::string text;
  for (double value : values) text += (text.empty() ? "" : ", ") + YamlNumber(value);
  return "[" + text + "]";
}

}  // namespace teacache
