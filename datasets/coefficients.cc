#include "datasets/coefficients.h"

#include <limits>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;

constexpr const char* kFormat = "teacache-coefficients";

void RefuseUnknown(const JsonFields& fields, std::initializer_list<std::string_view> known) {
  const std::vector<std::string> unknown = fields.Unknown(known);
  if (!unknown.empty()) {
    ThrowUserError(fields.where(), "fields must be known ones but one is \"{}\"", unknown[0]);
  }
}

CoefficientStat StatFromJson(const nlohmann::json& j, const std::string& where) {
  const JsonFields fields(j, where);
  RefuseUnknown(fields, {"value", "ci95"});
  CoefficientStat stat;
  stat.value = fields.Number("value");
  if (fields.Has("ci95")) {
    const std::vector<double> interval = fields.Numbers("ci95");
    if (interval.size() != 2 || interval[0] > interval[1]) {
      ThrowUserError(where, "\"ci95\" must be [low, high] but is not");
    }
    stat.lo = interval[0];
    stat.hi = interval[1];
  }
  return stat;
}

CoefficientSet SetFromFields(const JsonFields& fields) {
  CoefficientSet set;
  set.coefficients = fields.Numbers("coefficients");
  if (set.coefficients.empty()) {
    ThrowUserError(fields.where(), "\"coefficients\" must have at least one number but is empty");
  }
  if (fields.Has("x_range")) {
    const std::vector<double> range = fields.Numbers("x_range");
    if (range.size() != 2 || range[0] > range[1]) {
      ThrowUserError(fields.where(), "\"x_range\" must be [min, max] but is not");
    }
    set.x_min = range[0];
    set.x_max = range[1];
  }
  if (fields.Has("threshold")) {
    set.threshold = fields.Number("threshold");
    if (*set.threshold <= 0) {
      ThrowUserError(fields.where(), "\"threshold\" must be positive but is {}", *set.threshold);
    }
  }
  if (fields.Has("stats")) {
    const nlohmann::json& stats = fields.At("stats");
    JsonFields(stats, fields.where() + ": \"stats\"");
    for (const auto& [name, stat] : stats.items()) {
      set.stats[name] =
          StatFromJson(stat, fmt::format("{}: \"stats\": \"{}\"", fields.where(), name));
    }
  }
  return set;
}

CoefficientProvenance ProvenanceFromJson(const nlohmann::json& j, const std::string& where) {
  const JsonFields fields(j, where);
  RefuseUnknown(fields, {"model",    "source",  "modulated",      "target",       "branches",
                         "method",   "dtype",   "prompts_digest", "tool_version", "scheduler",
                         "guidance", "steps",   "calls",          "width",        "height",
                         "frames",   "prompts", "runs",           "pairs",        "traces"});
  const auto count = [&](std::string_view name, int64_t max) {
    const int64_t value = fields.Integer(name, 0);
    if (value < 0 || value > max) {
      ThrowUserError(where, "\"{}\" must be a count but is {}", name, value);
    }
    return value;
  };
  const auto small = [&](std::string_view name) {
    return static_cast<int>(count(name, std::numeric_limits<int>::max()));
  };
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  CoefficientProvenance p;
  p.model = fields.String("model", "");
  p.source = fields.String("source", "");
  p.modulated = fields.String("modulated", "");
  p.target = fields.String("target", "");
  p.branches = fields.String("branches", "");
  p.method = fields.String("method", "");
  p.scheduler = fields.String("scheduler", "");
  p.dtype = fields.String("dtype", "");
  p.prompts_digest = fields.String("prompts_digest", "");
  p.tool_version = fields.String("tool_version", "");
  p.guidance = fields.Number("guidance", 0);
  p.steps = small("steps");
  p.calls = small("calls");
  p.width = small("width");
  p.height = small("height");
  p.frames = small("frames");
  p.prompts = count("prompts", kMax);
  p.runs = count("runs", kMax);
  p.pairs = count("pairs", kMax);
  if (fields.Has("traces")) {
    const nlohmann::json& traces = fields.At("traces");
    for (const nlohmann::json& trace : traces) {
      if (!traces.is_array() || !trace.is_string()) {
        ThrowUserError(where, "\"traces\" must be a list of file names but is not");
      }
      p.traces.push_back(trace.get<std::string>());
    }
  }
  return p;
}

void AddSet(ordered_json* j, const CoefficientSet& set) {
  (*j)["coefficients"] = set.coefficients;
  if (set.x_min != 0 || set.x_max != 0) (*j)["x_range"] = {set.x_min, set.x_max};
  if (set.threshold) (*j)["threshold"] = *set.threshold;
  for (const auto& [name, stat] : set.stats) {
    ordered_json& entry = (*j)["stats"][name];
    entry["value"] = stat.value;
    if (stat.lo && stat.hi) entry["ci95"] = {*stat.lo, *stat.hi};
  }
}

ordered_json ProvenanceJson(const CoefficientProvenance& p) {
  ordered_json j = ordered_json::object();
  const auto text = [&j](const char* name, const std::string& value) {
    if (!value.empty()) j[name] = value;
  };
  const auto count = [&j](const char* name, int64_t value) {
    if (value != 0) j[name] = value;
  };
  text("model", p.model);
  text("source", p.source);
  text("modulated", p.modulated);
  text("target", p.target);
  text("branches", p.branches);
  text("method", p.method);
  text("scheduler", p.scheduler);
  text("dtype", p.dtype);
  text("prompts_digest", p.prompts_digest);
  text("tool_version", p.tool_version);
  if (p.guidance != 0) j["guidance"] = p.guidance;
  count("steps", p.steps);
  count("calls", p.calls);
  count("width", p.width);
  count("height", p.height);
  count("frames", p.frames);
  count("prompts", p.prompts);
  count("runs", p.runs);
  count("pairs", p.pairs);
  if (!p.traces.empty()) j["traces"] = p.traces;
  return j;
}

}  // namespace

const CoefficientSet& Coefficients::ForExpert(const std::string& expert) const {
  if (expert.empty() || experts.empty()) return set;
  const auto it = experts.find(expert);
  if (it == experts.end()) {
    ThrowUserError("coefficients", "must have a set for the expert \"{}\" but have not", expert);
  }
  return it->second;
}

Coefficients ParseCoefficients(const std::string& text, const std::string& where) {
  const nlohmann::json j = ParseJson(text, where);
  const JsonFields fields(j, where);
  if (const std::string format = fields.String("format"); format != kFormat) {
    ThrowUserError(where, "\"format\" must be \"{}\" but is \"{}\"", kFormat, format);
  }
  if (const int64_t version = fields.Integer("version"); version != Coefficients::kVersion) {
    ThrowUserError(where, "version must be {} but is {}", Coefficients::kVersion, version);
  }
  RefuseUnknown(fields,
                {"format",
                 "version",
                 "coefficients",
                 "x_range",
                 "threshold",
                 "stats",
                 "experts",
                 "provenance"});
  Coefficients coefficients;
  coefficients.set = SetFromFields(fields);
  if (fields.Has("experts")) {
    const nlohmann::json& experts = fields.At("experts");
    JsonFields(experts, where + ": \"experts\"");
    for (const auto& [name, expert] : experts.items()) {
      const JsonFields block(expert, fmt::format("{}: expert \"{}\"", where, name));
      RefuseUnknown(block, {"coefficients", "x_range", "threshold", "stats"});
      coefficients.experts[name] = SetFromFields(block);
    }
  }
  if (fields.Has("provenance")) {
    coefficients.provenance =
        ProvenanceFromJson(fields.At("provenance"), where + ": \"provenance\"");
  }
  return coefficients;
}

Coefficients ReadCoefficients(const std::string& path) {
  return ParseCoefficients(ReadFile(path), path);
}

std::string CoefficientsToJson(const Coefficients& coefficients) {
  ordered_json j;
  j["format"] = kFormat;
  j["version"] = Coefficients::kVersion;
  AddSet(&j, coefficients.set);
  for (const auto& [name, set] : coefficients.experts) AddSet(&j["experts"][name], set);
  j["provenance"] = ProvenanceJson(coefficients.provenance);
  std::string text;
  try {
    text = j.dump(2) + "\n";
  } catch (const nlohmann::json::exception&) {
    ThrowUserError("coefficients", "texts must be UTF-8 but are not");
  }
  ParseCoefficients(text, "coefficients");  // a NaN was written as null and is refused here
  return text;
}

void WriteCoefficients(const std::string& path, const Coefficients& coefficients) {
  AtomicWriteFile(path, CoefficientsToJson(coefficients));
}

}  // namespace teacache
