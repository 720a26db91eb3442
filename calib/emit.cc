#include "calib/emit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "calib/polynomial.h"
#include "calib/threshold.h"
#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/version.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;
using Needs = EmitFormat::Needs;

struct Written {
  std::string name;
  std::string text;
  std::string usage;               // how the engine is given the file
  std::vector<std::string> notes;  // of this format
};

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

Written VllmOmni(const EmitInput& input) {
  RefuseExperts(input, "vllm-omni");
  const CoefficientSet& set = input.coefficients.set;
  ordered_json j;
  j["rel_l1_thresh"] = ThresholdOf(input, set, "vllm-omni");
  j["coefficients"] = Five(set, "vllm-omni");
  return {"vllm-omni.json",
          j.dump(2) + "\n",
          fmt::format("vllm serve MODEL --omni --cache-backend tea_cache --cache-config '{}'",
                      j.dump()),
          {}};
}

Written Sglang(const EmitInput& input) {
  ordered_json j;
  const auto block = [&](const CoefficientSet& set) {
    ordered_json b;
    b["coefficients"] = set.coefficients;
    b["teacache_thresh"] = ThresholdOf(input, set, "sglang");
    return b;
  };
  std::string usage =
      "TeaCacheParams(coefficients=..., teacache_thresh=...) in the model's SamplingParams";
  if (input.coefficients.experts.empty()) {
    j = block(input.coefficients.set);
  } else {
    const auto [high, low] = HighAndLow(input, "sglang");
    j["high"] = block(*high);
    j["low"] = block(*low);
    usage =
        "TeaCacheParams(expert_coefficients={\"high\": ..., \"low\": ...}, expert_thresh=...) in "
        "the "
        "model's SamplingParams";
  }
  return {"sglang.json", j.dump(2) + "\n", usage, {}};
}

Written TensorRtLlm(const EmitInput& input) {
  const bool experts = !input.coefficients.experts.empty();
  const CoefficientSet* high = &input.coefficients.set;
  const CoefficientSet* low = nullptr;
  if (experts) std::tie(high, low) = HighAndLow(input, "tensorrt-llm");
  const double threshold = ThresholdOf(input, *high, "tensorrt-llm");
  Written written;
  written.name = "tensorrt-llm.yaml";
  written.usage = "VisualGenArgs.from_yaml(...)";
  written.text = fmt::format(
      "cache_config:\n"
      "  cache_backend: teacache\n"
      "  teacache_thresh: {}\n"
      "  use_ret_steps: {}\n"
      "  coefficients: {}\n",
      threshold,
      input.rule.first_computed >= 5 ? "true" : "false",
      FormatCoefficients(high->coefficients));
  if (low != nullptr) {
    written.text += fmt::format("  coefficients_2: {}\n", FormatCoefficients(low->coefficients));
    if (ThresholdOf(input, *low, "tensorrt-llm") != threshold) {
      written.notes.push_back(
          "TensorRT-LLM has one threshold for both experts: the high-noise expert's was written.");
    }
  }
  return written;
}

Written LightX2v(const EmitInput& input) {
  RefuseExperts(input, "lightx2v");
  const CoefficientSet& set = input.coefficients.set;
  ordered_json j;
  j["feature_caching"] = "Tea";
  j["coefficients"] = {set.coefficients, set.coefficients};
  j["use_ret_steps"] = input.rule.first_computed >= 5;
  j["teacache_thresh"] = ThresholdOf(input, set, "lightx2v");
  return {
      "lightx2v.json",
      j.dump(2) + "\n",
      "merge into the JSON given with --config_json",
      {"LightX2V reads the first list with use_ret_steps and the second without; both hold this "
       "fit, which is right only for the tensor that was recorded."}};
}

Written Difflet(const EmitInput& input) {
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

// "name[...] = [...]" lines, one set or one per expert.
Written PythonList(const EmitInput& input,
                   const std::string& format,
                   const std::string& target,
                   const std::string& usage) {
  RefuseExperts(input, format);
  const CoefficientSet& set = input.coefficients.set;
  const std::string key = ordered_json(ModelName(input)).dump();  // quoted for Python too
  return {format + ".py",
          fmt::format("# rel_l1_thresh = {}\n{} = {}\n",
                      ThresholdOf(input, set, format),
                      fmt::format(fmt::runtime(target), key),
                      FormatCoefficients(Five(set, format))),
          usage,
          {}};
}

Written VideoXFun(const EmitInput& input) {
  RefuseExperts(input, "videox-fun");
  const CoefficientSet& set = input.coefficients.set;
  return {"videox-fun.py",
          fmt::format("coefficients = {}\n"
                      "transformer.enable_teacache(\n"
                      "    coefficients, {}, {}, num_skip_start_steps={}\n"
                      ")\n",
                      FormatCoefficients(set.coefficients),
                      input.coefficients.provenance.steps,
                      ThresholdOf(input, set, "videox-fun"),
                      input.rule.first_computed),
          "in the script that makes the pipeline",
          {}};
}

Written MagCache(const EmitInput& input) {
  if (input.magnitude_ratios.empty()) {
    ThrowUserError("magcache", "needs residual sums of a trace but has none");
  }
  ordered_json j;
  std::vector<std::string> notes = {
      "Ratios of L1 sums over whole tensors; MagCache's own calibration averages L2 norms per "
      "token."};
  // One list per model: the branches' mean; the lists of the branches beside it.
  std::vector<double> mean;
  for (const auto& [branch, ratios] : input.magnitude_ratios) {
    mean.resize(ratios.size());
    for (size_t i = 0; i < ratios.size(); ++i) {
      mean[i] += ratios[i] / static_cast<double>(input.magnitude_ratios.size());
    }
  }
  j["num_inference_steps"] = mean.size();
  j["mag_ratios"] = mean;
  if (input.magnitude_ratios.size() > 1) {
    for (const auto& [branch, ratios] : input.magnitude_ratios) {
      j["mag_ratios_by_branch"][branch] = ratios;
    }
  }
  return {"magcache.json",
          j.dump(2) + "\n",
          "diffusers: MagCacheConfig(mag_ratios=..., num_inference_steps=..., threshold=0.06, "
          "max_skip_steps=3, retention_ratio=0.2)",
          notes};
}

std::vector<int> MaskNumbers(const EmitInput& input, const std::string& format) {
  if (input.mask.empty() || !input.mask.front()) {
    ThrowUserError(format, "needs a schedule that computes the first call but has none");
  }
  return {input.mask.begin(), input.mask.end()};
}

Written SmoothCache(const EmitInput& input) {
  const std::vector<int> mask = MaskNumbers(input, "smoothcache");
  const ordered_json j = {{"attn1", mask}, {"attn2", mask}, {"mlp", mask}};
  return {"smoothcache.json",
          j.dump() + "\n",
          "SmoothCache schedule: 1 computes, 0 reuses; name the components as the model does",
          {"One schedule for all components: it was made from whole transformer calls."}};
}

Written CacheDit(const EmitInput& input) {
  const std::vector<int> mask = MaskNumbers(input, "cache-dit");
  return {"cache-dit.yaml",
          fmt::format("cache_config:\n  steps_computation_mask: [{}]\n", fmt::join(mask, ", ")),
          "cache_dit's DBCacheConfig(steps_computation_mask=...)",
          {}};
}

Written SdCpp(const EmitInput& input) {
  const std::vector<int> mask = MaskNumbers(input, "sd-cpp");
  return {"sd-cpp.txt",
          fmt::format("--cache-mode dbcache --scm-mask \"{}\" --scm-policy static\n",
                      fmt::join(mask, ",")),
          "arguments of stable-diffusion.cpp",
          {}};
}

Written WriteFormat(const EmitFormat& format, const EmitInput& input) {
  const std::string& name = format.name;
  if (name == "vllm-omni") return VllmOmni(input);
  if (name == "sglang") return Sglang(input);
  if (name == "tensorrt-llm" || name == "tensorrt-llm-ret") return TensorRtLlm(input);
  if (name == "lightx2v") return LightX2v(input);
  if (name == "difflet") return Difflet(input);
  if (name == "comfyui") {
    return PythonList(
        input, name, "SUPPORTED_MODELS_COEFFICIENTS[{}]", "nodes.py of ComfyUI-TeaCache");
  }
  if (name == "diffsynth") {
    return PythonList(
        input, name, "coefficients_dict[{}]", "TeaCache class of diffsynth's wan_video.py");
  }
  if (name == "videox-fun") return VideoXFun(input);
  if (name == "magcache") return MagCache(input);
  if (name == "smoothcache") return SmoothCache(input);
  if (name == "cache-dit") return CacheDit(input);
  return SdCpp(input);
}

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

std::string Provenance(const EmitFormat& format, const EmitInput& input, const Written& written) {
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
  }
  // The recipe: numbers fitted under one must not be used under another without a check.
  const std::string coefficients = CoefficientsToJson(input.coefficients);
  j["provenance"] = ordered_json::parse(coefficients)["provenance"];
  std::vector<std::string> warnings = written.notes;
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

std::string RangesText(const std::vector<Range>& ranges) {
  std::string text;
  for (const Range& range : ranges) {
    text += fmt::format("{}[{:.4g}, {:.4g}]", text.empty() ? "" : " and ", range.lo, range.hi);
  }
  return text;
}

const char* SignText(EngineRule::Sign sign) {
  switch (sign) {
    case EngineRule::Sign::kRaw:
      return "adds it raw: the accumulator falls, and larger changes make skips more likely";
    case EngineRule::Sign::kAbsolute:
      return "adds |f|: the more negative, the sooner it computes";
    case EngineRule::Sign::kClamp:
      return "counts it as 0: such calls are skipped for nothing";
  }
  return "";
}

}  // namespace

const std::vector<EmitFormat>& EmitFormats() {
  static const std::vector<EmitFormat> formats = {
      {"vllm-omni",
       "vLLM-Omni: cache_config JSON and the command line",
       "vllm-omni",
       Needs::kCoefficients},
      {"sglang", "SGLang: JSON, one set or high and low", "sglang", Needs::kCoefficients},
      {"tensorrt-llm",
       "TensorRT-LLM: YAML, coefficients_2 for the low-noise expert",
       "tensorrt-llm",
       Needs::kCoefficients},
      {"tensorrt-llm-ret",
       "TensorRT-LLM with use_ret_steps",
       "tensorrt-llm-ret",
       Needs::kCoefficients},
      {"lightx2v", "LightX2V: JSON", "teacache", Needs::kCoefficients},
      {"difflet", "Difflet: JSON, lowest power first", "difflet", Needs::kCoefficients},
      {"comfyui", "ComfyUI-TeaCache: Python line", "comfyui", Needs::kCoefficients},
      {"diffsynth", "DiffSynth-Studio: Python line", "teacache", Needs::kCoefficients},
      {"videox-fun", "VideoX-Fun: Python call", "teacache", Needs::kCoefficients},
      {"magcache", "diffusers MagCacheConfig: mag_ratios", "teacache", Needs::kMagnitudeRatios},
      {"smoothcache", "SmoothCache: schedule JSON", "teacache", Needs::kMask},
      {"cache-dit", "cache-dit: steps_computation_mask YAML", "teacache", Needs::kMask},
      {"sd-cpp", "stable-diffusion.cpp: --scm-mask", "teacache", Needs::kMask},
  };
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
  const Written written = WriteFormat(format, input);
  return {{written.name, written.text},
          {written.name + ".provenance.json", Provenance(format, input, written)}};
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

std::vector<std::string> EngineWarnings(const CoefficientSet& set,
                                        const EngineRule& rule,
                                        const Range& observed) {
  const Polynomial f(set.coefficients);
  const bool known = set.x_max > set.x_min;
  const bool seen = observed.width() > 0;
  // Without either: where the signal of published models lies.
  const Range range = known ? Range{set.x_min, set.x_max} : seen ? observed : Range{0, 0.6};
  std::vector<std::string> warnings;
  const std::vector<Range> negative = NegativeStretches(f, range);
  if (!negative.empty()) {
    warnings.push_back(fmt::format(
        "f is negative for x in {}; {} {}.", RangesText(negative), rule.name, SignText(rule.sign)));
  }
  const std::vector<Range> decreasing = DecreasingStretches(f, range);
  if (!decreasing.empty()) {
    warnings.push_back(fmt::format(
        "f decreases for x in {}: there a larger change of the input predicts a smaller "
        "change of the output.",
        RangesText(decreasing)));
  }
  if (!known) {
    warnings.push_back(fmt::format("The calibrated range of x is not known; {} was looked at.",
                                   seen ? "the observed one" : "[0, 0.6]"));
  } else if (!rule.guards_range) {
    warnings.push_back(
        fmt::format("{} does not guard the calibrated range [{:.4g}, {:.4g}] of x: "
                    "outside it f is a guess.",
                    rule.name,
                    range.lo,
                    range.hi));
  }
  return warnings;
}

std::vector<SignConsequence> SignConsequences(const Polynomial& f, const Range& range) {
  std::vector<SignConsequence> consequences;
  if (NegativeStretches(f, range).empty()) return consequences;
  using Sign = EngineRule::Sign;
  for (Sign sign : {Sign::kRaw, Sign::kAbsolute, Sign::kClamp}) {
    SignConsequence consequence;
    consequence.text = SignText(sign);
    for (const EngineRule& rule : EngineRules()) {
      if (rule.sign == sign) consequence.engines.push_back(rule.name);
    }
    consequences.push_back(std::move(consequence));
  }
  return consequences;
}

std::vector<bool> StaticMask(const PairSet& pairs, double skips) {
  ReplayInput input;
  input.calls = pairs.calls;
  if (input.calls < 2) {
    ThrowUserError("mask", "must know the calls of a run (>= 2) but has {}", pairs.calls);
  }
  input.prompts = {""};
  SignalRun run;
  run.x.assign(input.calls, 0);
  std::vector<double> count(input.calls, 0);
  for (const Pair& pair : pairs.pairs) {
    run.x[pair.call] += pair.y;
    ++count[pair.call];
  }
  for (int call = 0; call < input.calls; ++call) {
    // A call that was never measured is computed.
    run.x[call] = count[call] > 0 ? run.x[call] / count[call] : std::nan("");
  }
  input.runs = {run};
  ReplayOptions options{FindEngineRule("teacache"), Polynomial({1, 0}), 0, {}};
  if (skips <= 0) return std::vector<bool>(input.calls, true);
  options.threshold = ChooseThreshold(input, options, {.skips = skips}).threshold;
  return ReplayRun(run, options);
}

std::map<std::string, std::vector<double>> MagnitudeRatios(const Trace& trace) {
  const int calls = trace.header.calls;
  // (prompt, seed, branch) -> sum|residual| of call i - 1 at i.
  std::map<std::tuple<std::string, int64_t, std::string>, std::vector<double>> runs;
  for (const TraceRow& row : trace.rows) {
    std::vector<double>& sums = runs[{row.prompt, row.seed, row.branch}];
    sums.resize(calls, 0);
    if (row.res.measured()) sums[row.call] = row.res.prev_l1;
  }
  struct Sum {
    double ratio = 0;
    int n = 0;
  };
  std::map<std::string, std::vector<Sum>> branches;
  for (const auto& [key, sums] : runs) {
    std::vector<Sum>& total = branches[std::get<2>(key)];
    total.resize(calls);
    for (int call = 1; call + 1 < calls; ++call) {
      if (!(sums[call] > 0) || !(sums[call + 1] > 0)) continue;
      total[call].ratio += sums[call + 1] / sums[call];
      ++total[call].n;
    }
  }
  std::map<std::string, std::vector<double>> ratios;
  for (const auto& [branch, total] : branches) {
    std::vector<double> list(calls, 1.0);
    bool any = false;
    for (int call = 1; call < calls; ++call) {
      list[call] = total[call].n > 0 ? total[call].ratio / total[call].n : list[call - 1];
      any = any || total[call].n > 0;
    }
    if (any) ratios[branch] = list;
  }
  return ratios;
}

}  // namespace teacache
