#include "datasets/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"
#include "datasets/base/shard.h"
#include "datasets/results_json.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "teacache-results";
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Json ScoreToJson(const VideoScore& score) {
  Json json;
  json["name"] = score.name;
  json["frames"] = score.frames;
  bool identical = false;
  for (const auto& [metric, value] : score.scores) {
    json[metric] = NumberOrNull(value);
    identical = identical || value == kInf;
  }
  json["identical"] = identical;
  json["identical_frames"] = score.identical_frames;
  if (!score.per_frame.empty()) {
    Json& frames = json["per_frame"];
    for (const auto& [metric, values] : score.per_frame) {
      Json list = Json::array();
      for (double value : values) list.push_back(NumberOrNull(value));
      frames[metric] = std::move(list);
    }
  }
  json["gt"] = VideoInfoToJson(score.gt);
  json["gen"] = VideoInfoToJson(score.gen);
  json["warnings"] = score.warnings;
  json["error"] = score.error.empty() ? Json(nullptr) : Json(score.error);
  return json;
}

// The name of a metric may be anything that is not one of the other fields.
bool IsMetric(const std::string& key) {
  static const std::vector<std::string> kOthers = {"name",
                                                   "frames",
                                                   "identical",
                                                   "identical_frames",
                                                   "per_frame",
                                                   "gt",
                                                   "gen",
                                                   "warnings",
                                                   "error"};
  return std::find(kOthers.begin(), kOthers.end(), key) == kOthers.end();
}

VideoScore ScoreFromJson(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  VideoScore score;
  score.name = fields.String("name");
  score.frames = fields.Integer("frames");
  score.identical_frames = fields.Integer("identical_frames", 0);
  const double null_means = fields.Bool("identical", false) ? kInf : kNan;
  for (const auto& [key, value] : json.items()) {
    if (IsMetric(key)) score.scores[key] = NumberOr(value, null_means, where + ": " + key);
  }
  if (fields.Has("per_frame")) {
    const nlohmann::json& lists = fields.At("per_frame");
    if (!lists.is_object()) ThrowUserError(where, "\"per_frame\" must be an object of lists");
    for (const auto& [metric, list] : lists.items()) {
      if (!list.is_array()) ThrowUserError(where, "per_frame \"{}\" must be a list", metric);
      std::vector<double>& values = score.per_frame[metric];
      for (const auto& value : list) {
        values.push_back(NumberOr(value, kInf, where));
      }
    }
  }
  if (fields.Has("gt")) score.gt = VideoInfoFromJson(fields.At("gt"), where + ": gt");
  if (fields.Has("gen")) score.gen = VideoInfoFromJson(fields.At("gen"), where + ": gen");
  score.warnings = StringList(json, "warnings", where);
  if (fields.Has("error") && !fields.At("error").is_null()) score.error = fields.String("error");
  return score;
}

Json MetricToJson(const MetricInfo& metric) {
  Json json;
  json["name"] = metric.name;
  json["label"] = metric.label;
  json["unit"] = metric.unit;
  json["higher_is_better"] = metric.higher_is_better;
  json["digits"] = metric.digits;
  json["best"] = NumberOrNull(metric.best);
  return json;
}

MetricInfo MetricFromJson(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  MetricInfo metric = UndescribedMetric(fields.String("name"));
  metric.label = fields.String("label", metric.label);
  metric.unit = fields.String("unit", metric.unit);
  metric.higher_is_better = fields.Bool("higher_is_better", metric.higher_is_better);
  metric.digits = static_cast<int>(fields.Integer("digits", metric.digits));
  if (fields.Has("best")) metric.best = NumberOr(fields.At("best"), kInf, where + ": best");
  return metric;
}

Json DifferenceToJson(const PairedDifference& difference) {
  Json json;
  json["mean"] = NumberOrNull(difference.mean);
  json["ci95"] = IntervalToJson(difference.ci95);
  json["std"] = NumberOrNull(difference.std);
  json["n"] = difference.n;
  json["a_better"] = difference.a_better;
  json["b_better"] = difference.b_better;
  return json;
}

PairedDifference DifferenceFromJson(const nlohmann::json& json, const std::string& where) {
  const MetricSummary shared = MetricSummaryFromJson(json, where);  // mean, ci95, std and n
  const JsonFields fields(json, where);
  return {shared.mean,
          shared.ci95,
          shared.std,
          shared.n,
          fields.Integer("a_better", 0),
          fields.Integer("b_better", 0)};
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : "; ") + text;
  return out;
}

std::string InfoToCsv(const VideoInfo& info) {
  return fmt::format("{},{},{}x{},{},{},{},{}/{}/{}/{}",
                     CsvField(info.path),
                     CsvField(info.codec),
                     info.width,
                     info.height,
                     info.num_frames,
                     info.fps,
                     CsvField(info.pixel_format),
                     info.color_matrix,
                     info.color_range,
                     info.color_primaries,
                     info.color_transfer);
}

}  // namespace

int64_t Results::NumErrors() const {
  return std::count_if(videos.begin(), videos.end(), [](const VideoScore& s) { return !s.ok(); });
}

void Results::DescribeMetrics() {
  const auto add = [this](const std::string& name) {
    if (FindMetric(metrics, name) == nullptr) metrics.push_back(UndescribedMetric(name));
  };
  std::set<std::string> scored;
  for (const auto& item : summary) scored.insert(item.first);
  for (const VideoScore& video : videos) {
    for (const auto& item : video.scores) scored.insert(item.first);
  }
  for (const std::string& name : UndescribedMetrics()) {
    if (scored.erase(name) > 0) add(name);
  }
  for (const std::string& name : scored) add(name);
  for (MetricInfo& metric : metrics) {
    const auto definition = context.find(metric.name);
    if (definition != context.end()) metric.definition = definition->second;
  }
}

std::string VideoScoreToJson(const VideoScore& score) { return DumpText(ScoreToJson(score), -1); }

VideoScore VideoScoreFromJson(const std::string& text, const std::string& where) {
  return ScoreFromJson(ParseJson(text, where), where);
}

std::string ResultsToJson(const Results& results) {
  Json json;
  json["format"] = kFormat;
  json["version"] = Results::kVersion;
  json["context"] = results.context;
  json["metrics"] = Json::array();
  for (const MetricInfo& metric : results.metrics) json["metrics"].push_back(MetricToJson(metric));
  json["summary"] = Json::object();
  for (const auto& [metric, summary] : results.summary) {
    json["summary"][metric] = MetricSummaryToJson(summary);
  }
  for (const auto& [metric, summary] : results.baseline) {
    json["baseline"][metric] = MetricSummaryToJson(summary);
  }
  for (const auto& [metric, difference] : results.comparison) {
    json["comparison"][metric] = DifferenceToJson(difference);
  }
  json["videos"] = Json::array();
  for (const VideoScore& score : results.videos) json["videos"].push_back(ScoreToJson(score));
  json["unmatched_gt"] = results.unmatched_gt;
  json["unmatched_gen"] = results.unmatched_gen;
  if (!results.left_out.empty()) json["left_out"] = results.left_out;
  json["warnings"] = results.warnings;
  if (!results.requirements.empty()) {
    json["requirements"] = RequirementsToJson(results.requirements);
  }
  return DumpText(json, 1) + "\n";
}

void WriteResults(const std::string& path, const Results& results) {
  AtomicWriteFile(path, std::string_view(ResultsToJson(results)));
}

Results ReadResults(const std::string& path) {
  const nlohmann::json json = ParseJson(ReadFile(path), path);
  const JsonFields fields(json, path);
  if (fields.String("format", "") != kFormat) {
    ThrowUserError(path,
                   "must be a results file (\"format\": \"{}\") but \"format\" is {}",
                   kFormat,
                   ShownText(fields.String("format", "")));
  }
  if (fields.Integer("version") != Results::kVersion) {
    ThrowUserError(
        path, "version must be {} but is {}", Results::kVersion, fields.Integer("version"));
  }
  Results results;
  if (fields.Has("context")) {
    const JsonFields context(fields.At("context"), path + ": context");
    for (const auto& item : fields.At("context").items()) {
      results.context[item.key()] = context.String(item.key());
    }
  }
  if (fields.Has("metrics")) {
    const nlohmann::json& metrics = fields.At("metrics");
    if (!metrics.is_array()) ThrowUserError(path, "\"metrics\" must be a list");
    for (size_t i = 0; i < metrics.size(); ++i) {
      results.metrics.push_back(
          MetricFromJson(metrics[i], fmt::format("{}: metrics[{}]", path, i)));
    }
  }
  const auto for_each_metric = [&](const char* name, auto&& read) {
    if (!fields.Has(name)) return;
    const JsonFields check(fields.At(name), path + ": " + name);
    for (const auto& item : fields.At(name).items()) {
      read(item.key(), item.value(), check.where() + ": " + item.key());
    }
  };
  for_each_metric("summary", [&](auto& metric, auto& value, const std::string& where) {
    results.summary[metric] = MetricSummaryFromJson(value, where);
  });
  for_each_metric("baseline", [&](auto& metric, auto& value, const std::string& where) {
    results.baseline[metric] = MetricSummaryFromJson(value, where);
  });
  for_each_metric("comparison", [&](auto& metric, auto& value, const std::string& where) {
    results.comparison[metric] = DifferenceFromJson(value, where);
  });
  const nlohmann::json& videos = fields.At("videos");
  if (!videos.is_array()) ThrowUserError(path, "\"videos\" must be a list");
  for (size_t i = 0; i < videos.size(); ++i) {
    results.videos.push_back(ScoreFromJson(videos[i], fmt::format("{}: videos[{}]", path, i)));
  }
  results.DescribeMetrics();
  results.unmatched_gt = StringList(json, "unmatched_gt", path);
  results.unmatched_gen = StringList(json, "unmatched_gen", path);
  results.left_out = StringList(json, "left_out", path);
  results.warnings = StringList(json, "warnings", path);
  return results;
}

std::string ResultsToCsv(const Results& results) {
  std::vector<std::string> metrics;
  for (const MetricInfo& metric : results.metrics) metrics.push_back(metric.name);
  std::string csv = "name";
  for (const std::string& metric : metrics) csv += "," + CsvField(metric);
  csv += ",frames,identical_frames";
  for (const char* side : {"gt", "gen"}) {
    for (const char* column :
         {"path", "codec", "size", "num_frames", "fps", "pixel_format", "color"}) {
      csv += fmt::format(",{}_{}", side, column);
    }
  }
  csv += ",warnings,error";
  // The same in every row: numbers of other variants stay apart when joined.
  std::string definitions;
  for (const std::string& metric : metrics) {
    csv += "," + CsvField(metric + "_definition");
    const auto definition = results.context.find(metric);
    definitions += "," + (definition == results.context.end() ? "" : CsvField(definition->second));
  }
  if (const auto missing = results.context.find(kMissingParts); missing != results.context.end()) {
    csv += fmt::format(",{}", kMissingParts);
    definitions += "," + CsvField(missing->second);
  }
  csv += "\n";
  for (const VideoScore& score : results.videos) {
    csv += CsvField(score.name);
    for (const std::string& metric : metrics) {
      const auto found = score.scores.find(metric);
      csv += found == score.scores.end() ? "," : fmt::format(",{}", found->second);
    }
    csv += fmt::format(",{},{},{},{},{},{}{}\n",
                       score.frames,
                       score.identical_frames,
                       InfoToCsv(score.gt),
                       InfoToCsv(score.gen),
                       CsvField(Joined(score.warnings)),
                       CsvField(score.error),
                       definitions);
  }
  return csv;
}

void WritePerVideoCsv(const std::string& path, const Results& results) {
  AtomicWriteFile(path, std::string_view(ResultsToCsv(results)));
}

}  // namespace teacache
