#include "metrics/vbench/aggregate.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json.h"
#include "datasets/base/version.h"
#include "metrics/vbench/dimensions.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kQualityWeight = 4;
constexpr double kSemanticWeight = 1;
constexpr const char* kResultsEnding = "_eval_results.json";
constexpr const char* kInfoEnding = "_full_info.json";

// What is left of a number after it was printed with 4 decimals.
double RoundTo4(double value) { return std::strtod(fmt::format("{:.4f}", value).c_str(), nullptr); }

std::string Spaced(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = c == '_' ? ' ' : c;
  return text;
}

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Weighted mean of one group over the dimensions that count.
double GroupScore(const VbenchTotals& totals, bool quality) {
  double sum = 0, weights = 0;
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    const auto found = totals.scaled.find(std::string(dimension.name));
    if (dimension.quality != quality || found == totals.scaled.end()) continue;
    sum += found->second;
    weights += dimension.weight;
  }
  return weights > 0 ? sum / weights : kNan;
}

// cal_vbench.py looks at the first prompt of the file that belongs to each results file.
void CheckFullInfo(const fs::path& folder, const std::string& results) {
  const std::string stem = results.substr(0, results.size() - std::string(kResultsEnding).size());
  const std::string path = (folder / (stem + kInfoEnding)).string();
  const ParsedJson info(ReadFile(path), path);
  const JsonNode root = info.root();
  if (root.size() == 0 || !root.is_array() || !root.At(0).Has("video_list") ||
      !root.At(0).At("video_list").is_array()) {
    ThrowUserError(path, "must be a list of prompts with \"video_list\" (as VBench writes it)");
  }
  if (root.At(0).At("video_list").size() == 0) {
    ThrowUserError(path,
                   "its first prompt must have a video (cal_vbench.py wants it) but has none");
  }
}

void ReadScoresFile(const std::string& path,
                    std::map<std::string, double>* scores,
                    std::map<std::string, std::string>* sources) {
  const ParsedJson json(ReadFile(path), path);
  if (!json.root().is_object()) {
    ThrowUserError(path, "must be {{dimension: [score, [videos]], ...}} as VBench writes it");
  }
  for (const auto& [key, value] : json.root().Members()) {
    const VbenchDimension* dimension = FindVbenchDimension(key);
    if (dimension == nullptr) {
      ThrowUserError(path, "must name VBench's dimensions but has \"{}\"", key);
    }
    if (!value.is_array() || value.size() == 0) value.Refuse("must be [score, [videos]]");
    const JsonNode score = value.At(0);
    const std::string name(dimension->name);
    const auto [source, is_new] = sources->emplace(name, path);
    if (!is_new) {
      ThrowUserError(path, "{} must be in one file only but is also in {}", name, source->second);
    }
    (*scores)[name] = score.is_bool() ? static_cast<double>(score.Bool()) : score.Number();
  }
}

Json NumberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace

VbenchTotals AggregateVbench(const std::map<std::string, double>& raw,
                             VbenchCompat compat,
                             bool partial) {
  VbenchTotals totals;
  for (const auto& [key, value] : raw) {
    const VbenchDimension* dimension = FindVbenchDimension(key);
    if (dimension == nullptr) ThrowUserError("aggregate", "VBench has no dimension \"{}\"", key);
    if (!std::isfinite(value)) ThrowUserError("aggregate", "{} must be a finite number", key);
    totals.raw[std::string(dimension->name)] =
        compat == VbenchCompat::kTeaCache ? RoundTo4(value) : value;
  }
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    const std::string name(dimension.name);
    const auto found = totals.raw.find(name);
    if (found == totals.raw.end()) {
      totals.missing.push_back(name);
      if (compat != VbenchCompat::kVbench) continue;
    }
    const double value = found == totals.raw.end() ? 0.0 : found->second;
    totals.scaled[name] =
        (value - dimension.min) / (dimension.max - dimension.min) * dimension.weight;
  }
  totals.partial = !totals.missing.empty() && compat != VbenchCompat::kVbench;
  if (totals.partial && (!partial || compat == VbenchCompat::kTeaCache)) {
    ThrowUserError("aggregate",
                   "all 16 dimensions must have a score but {} {}: {}{}",
                   totals.missing.size(),
                   totals.missing.size() == 1 ? "has none" : "have none",
                   Join(totals.missing),
                   compat == VbenchCompat::kTeaCache
                       ? " (cal_vbench.py stops here too)"
                       : " (--partial gives totals over those that are there, marked as such)");
  }
  totals.quality = GroupScore(totals, true);
  totals.semantic = GroupScore(totals, false);
  totals.total = (totals.quality * kQualityWeight + totals.semantic * kSemanticWeight) /
                 (kQualityWeight + kSemanticWeight);
  return totals;
}

std::map<std::string, double> ReadVbenchScores(const std::vector<std::string>& folders,
                                               VbenchCompat compat) {
  std::map<std::string, double> scores;
  std::map<std::string, std::string> sources;
  for (const std::string& folder : folders) {
    bool any = false;
    for (const std::string& name : ListFolder(folder)) {
      if (!name.ends_with(kResultsEnding)) continue;
      any = true;
      if (compat == VbenchCompat::kTeaCache) CheckFullInfo(folder, name);
      ReadScoresFile((fs::path(folder) / name).string(), &scores, &sources);
    }
    if (!any) {
      ThrowUserError(folder, "must hold *{} files with scores but holds none", kResultsEnding);
    }
  }
  return scores;
}

std::string TeaCacheAllResults(const VbenchTotals& totals) {
  nlohmann::json json;  // sorted by name, as the script writes it
  for (const auto& [name, value] : totals.raw) json[name] = fmt::format("{:.4f}", value);
  return json.dump(4);
}

std::string TeaCacheScaledResults(const VbenchTotals& totals) {
  Json items = Json::array();
  const auto add = [&items](const std::string& name, double value) {
    items.push_back({{name, fmt::format("{:.2f}%", value * 100)}});
  };
  add("total score", totals.total);
  add("quality score", totals.quality);
  add("semantic score", totals.semantic);
  // The script's order: dynamic degree before aesthetic quality, as in the table.
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    add(Spaced(dimension.name), totals.scaled.at(std::string(dimension.name)));
  }
  return Json{{"items", std::move(items)}}.dump(4);
}

std::string VbenchTotalsText(const VbenchTotals& totals) {
  const auto percent = [](double value) {
    return std::isnan(value) ? std::string("-") : fmt::format("{:.2f} %", value * 100);
  };
  std::string text = fmt::format("{:<24} {:>10} {:>10}\n", "", "raw", "scaled");
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    const std::string name(dimension.name);
    const auto raw = totals.raw.find(name);
    const auto scaled = totals.scaled.find(name);
    text += fmt::format(
        "{:<24} {:>10} {:>10}{}\n",
        name,
        raw == totals.raw.end() ? "-" : fmt::format("{:.4f}", raw->second),
        scaled == totals.scaled.end() ? "-" : percent(scaled->second),
        raw == totals.raw.end() && scaled != totals.scaled.end() ? "  missing, counted as 0" : "");
  }
  const std::string mark = totals.partial ? " (PARTIAL)" : "";
  for (const auto& [label, value] : {std::pair<std::string, double>{"Quality", totals.quality},
                                     {"Semantic", totals.semantic},
                                     {"Total", totals.total}}) {
    text += fmt::format("{:<24} {:>10} {:>10}\n", label + mark, "", percent(value));
  }
  if (totals.partial) {
    text += fmt::format(
        "PARTIAL: over {} of 16 dimensions; not comparable with published totals. "
        "Missing: {}\n",
        totals.raw.size(),
        Join(totals.missing));
  }
  return text;
}

std::string VbenchTotalsJson(const VbenchTotals& totals, VbenchCompat compat) {
  Json json;
  json["format"] = "teacache-vbench-totals";
  json["version"] = 1;
  json["tool_version"] = kVersion;
  json["compat"] = compat == VbenchCompat::kTeaCache ? "teacache"
                   : compat == VbenchCompat::kVbench ? "vbench"
                                                     : "none";
  json["partial"] = totals.partial;
  json["missing"] = totals.missing;
  json["total"] = NumberOrNull(totals.total);
  json["quality"] = NumberOrNull(totals.quality);
  json["semantic"] = NumberOrNull(totals.semantic);
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    const std::string name(dimension.name);
    const auto scaled = totals.scaled.find(name);
    if (scaled == totals.scaled.end()) continue;
    const auto raw = totals.raw.find(name);
    Json& row = json["dimensions"][name];
    row["raw"] = raw == totals.raw.end() ? Json(nullptr) : Json(raw->second);
    row["scaled"] = scaled->second;
    row["weight"] = dimension.weight;
  }
  return json.dump(2) + "\n";
}

}  // namespace teacache
