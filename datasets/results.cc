#include "datasets/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/json_fields.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "teacache-results";
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json InfoToJson(const VideoInfo& info) {
  Json json;
  json["path"] = info.path;
  json["codec"] = info.codec;
  json["pixel_format"] = info.pixel_format;
  json["color_matrix"] = info.color_matrix;
  json["color_range"] = info.color_range;
  json["color_primaries"] = info.color_primaries;
  json["color_transfer"] = info.color_transfer;
  json["width"] = info.width;
  json["height"] = info.height;
  json["fps"] = Number(info.fps);
  json["num_frames"] = info.num_frames;
  json["variable_frame_rate"] = info.variable_frame_rate;
  json["lossless"] = info.lossless;
  return json;
}

VideoInfo InfoFromJson(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  VideoInfo info;
  info.path = fields.String("path", "");
  info.codec = fields.String("codec", info.codec);
  info.pixel_format = fields.String("pixel_format", info.pixel_format);
  info.color_matrix = fields.String("color_matrix", info.color_matrix);
  info.color_range = fields.String("color_range", info.color_range);
  info.color_primaries = fields.String("color_primaries", info.color_primaries);
  info.color_transfer = fields.String("color_transfer", info.color_transfer);
  info.width = static_cast<int>(fields.Integer("width", 0));
  info.height = static_cast<int>(fields.Integer("height", 0));
  info.fps = fields.Number("fps", 0);
  info.num_frames = fields.Integer("num_frames", -1);
  info.variable_frame_rate = fields.Bool("variable_frame_rate", false);
  info.lossless = fields.Bool("lossless", false);
  return info;
}

Json ScoreToJson(const VideoScore& score) {
  Json json;
  json["name"] = score.name;
  json["frames"] = score.frames;
  bool identical = false;
  for (const auto& [metric, value] : score.scores) {
    json[metric] = Number(value);
    identical = identical || value == kInf;
  }
  json["identical"] = identical;
  json["identical_frames"] = score.identical_frames;
  if (!score.per_frame.empty()) {
    Json& frames = json["per_frame"];
    for (const auto& [metric, values] : score.per_frame) {
      Json list = Json::array();
      for (double value : values) list.push_back(Number(value));
      frames[metric] = std::move(list);
    }
  }
  json["gt"] = InfoToJson(score.gt);
  json["gen"] = InfoToJson(score.gen);
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

// A score, or what stands for one that JSON cannot hold.
double ScoreValue(const nlohmann::json& value, double null_means, const std::string& where) {
  if (value.is_null()) return null_means;
  if (!value.is_number()) ThrowUserError(where, "must be a number or null but is {}", value.dump());
  return value.get<double>();
}

std::vector<std::string> Strings(const nlohmann::json& json,
                                 const char* name,
                                 const std::string& where) {
  std::vector<std::string> out;
  if (!json.contains(name)) return out;
  if (!json[name].is_array()) ThrowUserError(where, "\"{}\" must be a list of texts", name);
  for (const auto& item : json[name]) {
    if (!item.is_string()) ThrowUserError(where, "\"{}\" must be a list of texts", name);
    out.push_back(item.get<std::string>());
  }
  return out;
}

VideoScore ScoreFromJson(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  VideoScore score;
  score.name = fields.String("name");
  score.frames = fields.Integer("frames");
  score.identical_frames = fields.Integer("identical_frames", 0);
  const double null_means = fields.Bool("identical", false) ? kInf : kNan;
  for (const auto& [key, value] : json.items()) {
    if (IsMetric(key)) score.scores[key] = ScoreValue(value, null_means, where + ": " + key);
  }
  if (fields.Has("per_frame")) {
    const nlohmann::json& lists = fields.At("per_frame");
    if (!lists.is_object()) ThrowUserError(where, "\"per_frame\" must be an object of lists");
    for (const auto& [metric, list] : lists.items()) {
      if (!list.is_array()) ThrowUserError(where, "per_frame \"{}\" must be a list", metric);
      std::vector<double>& values = score.per_frame[metric];
      for (const auto& value : list) {
        values.push_back(ScoreValue(value, metric == "psnr" ? kInf : kNan, where));
      }
    }
  }
  if (fields.Has("gt")) score.gt = InfoFromJson(fields.At("gt"), where + ": gt");
  if (fields.Has("gen")) score.gen = InfoFromJson(fields.At("gen"), where + ": gen");
  score.warnings = Strings(json, "warnings", where);
  if (fields.Has("error") && !fields.At("error").is_null()) score.error = fields.String("error");
  return score;
}

Json SummaryToJson(const MetricSummary& summary) {
  Json json;
  json["mean"] = Number(summary.mean);
  json["median"] = Number(summary.median);
  json["std"] = Number(summary.std);
  json["min"] = Number(summary.min);
  json["max"] = Number(summary.max);
  json["ci95"] = Json::array({Number(summary.ci95_lo), Number(summary.ci95_hi)});
  json["p5"] = Number(summary.p5);
  json["frame_weighted_mean"] = Number(summary.frame_weighted_mean);
  json["n"] = summary.n;
  json["identical"] = summary.identical;
  return json;
}

MetricSummary SummaryFromJson(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  const auto number = [&](const char* name) {
    return fields.Has(name) ? ScoreValue(fields.At(name), kNan, where + ": " + name) : kNan;
  };
  MetricSummary summary;
  summary.mean = number("mean");
  summary.median = number("median");
  summary.std = number("std");
  summary.min = number("min");
  summary.max = number("max");
  summary.p5 = number("p5");
  summary.frame_weighted_mean = number("frame_weighted_mean");
  if (fields.Has("ci95")) {
    const nlohmann::json& interval = fields.At("ci95");
    if (!interval.is_array() || interval.size() != 2) {
      ThrowUserError(where, "\"ci95\" must be a list of two numbers but is {}", interval.dump());
    }
    summary.ci95_lo = ScoreValue(interval[0], kNan, where + ": ci95");
    summary.ci95_hi = ScoreValue(interval[1], kNan, where + ": ci95");
  }
  summary.n = fields.Integer("n", 0);
  summary.identical = fields.Integer("identical", 0);
  return summary;
}

Json DifferenceToJson(const PairedDifference& difference) {
  Json json;
  json["mean"] = Number(difference.mean);
  json["ci95"] = Json::array({Number(difference.ci95_lo), Number(difference.ci95_hi)});
  json["std"] = Number(difference.std);
  json["n"] = difference.n;
  json["a_better"] = difference.a_better;
  json["b_better"] = difference.b_better;
  return json;
}

PairedDifference DifferenceFromJson(const nlohmann::json& json, const std::string& where) {
  const MetricSummary shared = SummaryFromJson(json, where);  // mean, ci95, std and n
  const JsonFields fields(json, where);
  return {shared.mean,
          shared.ci95_lo,
          shared.ci95_hi,
          shared.std,
          shared.n,
          fields.Integer("a_better", 0),
          fields.Integer("b_better", 0)};
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
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

// Texts of damaged names must not make the whole file unwritable: bad UTF-8 is replaced.
std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

int64_t Results::NumErrors() const {
  return std::count_if(videos.begin(), videos.end(), [](const VideoScore& s) { return !s.ok(); });
}

std::string VideoScoreToJson(const VideoScore& score) { return Dump(ScoreToJson(score), -1); }

VideoScore VideoScoreFromJson(const std::string& text, const std::string& where) {
  return ScoreFromJson(ParseJson(text, where), where);
}

std::string ResultsToJson(const Results& results) {
  Json json;
  json["format"] = kFormat;
  json["version"] = Results::kVersion;
  json["context"] = results.context;
  json["summary"] = Json::object();
  for (const auto& [metric, summary] : results.summary) {
    json["summary"][metric] = SummaryToJson(summary);
  }
  for (const auto& [metric, summary] : results.baseline) {
    json["baseline"][metric] = SummaryToJson(summary);
  }
  for (const auto& [metric, difference] : results.comparison) {
    json["comparison"][metric] = DifferenceToJson(difference);
  }
  json["videos"] = Json::array();
  for (const VideoScore& score : results.videos) json["videos"].push_back(ScoreToJson(score));
  json["unmatched_gt"] = results.unmatched_gt;
  json["unmatched_gen"] = results.unmatched_gen;
  json["warnings"] = results.warnings;
  return Dump(json, 1) + "\n";
}

void WriteResults(const std::string& path, const Results& results) {
  AtomicWriteFile(path, std::string_view(ResultsToJson(results)));
}

Results ReadResults(const std::string& path) {
  const nlohmann::json json = ParseJson(ReadFile(path), path);
  const JsonFields fields(json, path);
  if (fields.String("format", "") != kFormat) {
    ThrowUserError(path,
                   "must be a results file (\"format\": \"{}\") but \"format\" is \"{}\"",
                   kFormat,
                   fields.String("format", ""));
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
  const auto for_each_metric = [&](const char* name, auto&& read) {
    if (!fields.Has(name)) return;
    const JsonFields check(fields.At(name), path + ": " + name);
    for (const auto& item : fields.At(name).items()) {
      read(item.key(), item.value(), check.where() + ": " + item.key());
    }
  };
  for_each_metric("summary", [&](auto& metric, auto& value, const std::string& where) {
    results.summary[metric] = SummaryFromJson(value, where);
  });
  for_each_metric("baseline", [&](auto& metric, auto& value, const std::string& where) {
    results.baseline[metric] = SummaryFromJson(value, where);
  });
  for_each_metric("comparison", [&](auto& metric, auto& value, const std::string& where) {
    results.comparison[metric] = DifferenceFromJson(value, where);
  });
  const nlohmann::json& videos = fields.At("videos");
  if (!videos.is_array()) ThrowUserError(path, "\"videos\" must be a list");
  for (size_t i = 0; i < videos.size(); ++i) {
    results.videos.push_back(ScoreFromJson(videos[i], fmt::format("{}: videos[{}]", path, i)));
  }
  results.unmatched_gt = Strings(json, "unmatched_gt", path);
  results.unmatched_gen = Strings(json, "unmatched_gen", path);
  results.warnings = Strings(json, "warnings", path);
  return results;
}

std::string ResultsToCsv(const Results& results) {
  std::vector<std::string> metrics = {"psnr", "ssim", "lpips"};
  for (const VideoScore& score : results.videos) {
    for (const auto& item : score.scores) {
      if (std::find(metrics.begin(), metrics.end(), item.first) == metrics.end()) {
        metrics.push_back(item.first);
      }
    }
  }
  std::string csv = "name";
  for (const std::string& metric : metrics) csv += "," + CsvField(metric);
  csv += ",frames,identical_frames";
  for (const char* side : {"gt", "gen"}) {
    for (const char* column :
         {"path", "codec", "size", "num_frames", "fps", "pixel_format", "color"}) {
      csv += fmt::format(",{}_{}", side, column);
    }
  }
  csv += ",warnings,error\n";
  for (const VideoScore& score : results.videos) {
    csv += CsvField(score.name);
    for (const std::string& metric : metrics) {
      const auto found = score.scores.find(metric);
      csv += found == score.scores.end() ? "," : fmt::format(",{}", found->second);
    }
    csv += fmt::format(",{},{},{},{},{},{}\n",
                       score.frames,
                       score.identical_frames,
                       InfoToCsv(score.gt),
                       InfoToCsv(score.gen),
                       CsvField(Joined(score.warnings)),
                       CsvField(score.error));
  }
  return csv;
}

void WritePerVideoCsv(const std::string& path, const Results& results) {
  AtomicWriteFile(path, std::string_view(ResultsToCsv(results)));
}

}  // namespace teacache
