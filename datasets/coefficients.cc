#include "datasets/coefficients.h"

#include <array>
#include <cmath>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

// [low, high]
struct Interval {
  double& low;
  double& high;

  void ReadJson(const JsonNode& node) const {
    std::array<double, 2> ends;
    if (!node.ReadNumbers(ends) || ends[0] > ends[1]) node.Refuse("must be [low, high]");
    low = ends[0];
    high = ends[1];
  }
  void WriteJson(JsonText* text) const {
    text->Begin('[');
    text->Value(low);
    text->Value(high);
    text->End(']');
  }
};

template <typename Archive>
void VisitSet(Archive& archive, CoefficientSet& set) {
  archive.Required("coefficients", set.coefficients);
  archive.Check(!set.coefficients.empty(), "must have at least one number");
  archive.OptionalUnless(
      set.x_min == 0 && set.x_max == 0, "x_range", Interval{set.x_min, set.x_max});
  archive.Check(set.x_min <= set.x_max, "must be [min, max]");
  archive.OptionalUnless(!set.threshold, "threshold", set.threshold);
  archive.Check(!set.threshold || *set.threshold > 0, "must be positive");
  archive.OptionalUnless(set.stats.empty(), "stats", set.stats);
}

}  // namespace

template <typename Archive>
void Visit(Archive& archive, CoefficientStat& stat) {
  archive.Required("value", stat.value);
  double low = stat.lo.value_or(std::nan(""));
  double high = stat.hi.value_or(std::nan(""));
  archive.OptionalUnless(!stat.lo || !stat.hi, "ci95", Interval{low, high});
  if (std::isnan(low) || std::isnan(high)) return;
  stat.lo = low;
  stat.hi = high;
}

template <typename Archive>
void Visit(Archive& archive, CoefficientSet& set) {
  VisitSet(archive, set);
}

template <typename Archive>
void Visit(Archive& archive, CoefficientProvenance& p) {
  const auto count = [&archive](std::string_view name, auto& value) {
    archive.Optional(name, value);
    archive.Check(value >= 0, "must not be negative");
  };
  archive.Optional("model", p.model);
  archive.Optional("source", p.source);
  archive.Optional("modulated", p.modulated);
  archive.Optional("target", p.target);
  archive.Optional("branches", p.branches);
  archive.Optional("method", p.method);
  archive.Optional("scheduler", p.scheduler);
  archive.Optional("dtype", p.dtype);
  archive.Optional("prompts_digest", p.prompts_digest);
  archive.Optional("tool_version", p.tool_version);
  archive.Optional("guidance", p.guidance);
  count("steps", p.steps);
  count("calls", p.calls);
  count("width", p.width);
  count("height", p.height);
  count("frames", p.frames);
  count("prompts", p.prompts);
  count("runs", p.runs);
  count("pairs", p.pairs);
  archive.Optional("traces", p.traces);
}

template <typename Archive>
void Visit(Archive& archive, Coefficients& coefficients) {
  archive.Format("teacache-coefficients", Coefficients::kVersion);
  VisitSet(archive, coefficients.set);
  archive.OptionalUnless(coefficients.experts.empty(), "experts", coefficients.experts);
  archive("provenance", coefficients.provenance);
}

const CoefficientSet& Coefficients::ForExpert(const std::string& expert) const {
  if (expert.empty() || experts.empty()) return set;
  const auto it = experts.find(expert);
  if (it == experts.end()) {
    ThrowUserError("coefficients", "must have a set for the expert \"{}\" but have not", expert);
  }
  return it->second;
}

Coefficients ParseCoefficients(const std::string& text, const std::string& where) {
  return FromJson<Coefficients>(text, where);
}

Coefficients ReadCoefficients(const std::string& path) {
  return ParseCoefficients(ReadFile(path), path);
}

std::string CoefficientsToJson(const Coefficients& coefficients) {
  return ToJson(coefficients, "coefficients", /*indent=*/2) + "\n";
}

void WriteCoefficients(const std::string& path, const Coefficients& coefficients) {
  AtomicWriteFile(path, CoefficientsToJson(coefficients));
}

}  // namespace teacache
