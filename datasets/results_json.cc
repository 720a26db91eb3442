#include "datasets/results_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Json NumberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// A score, or what stands for one that JSON cannot hold.
double NumberOr(const nlohmann::json& value, double null_means, const std::string& where) {
  if (value.is_null()) return null_means;
  if (!value.is_number())
    ThrowUserError(where, "must be a number or null but is {}", ShownJson(value));
  return value.get<double>();
}

std::vector<std::string> StringList(const nlohmann::json& json,
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

Json VideoInfoToJson(const VideoInfo& info) {
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
  json["fps"] = NumberOrNull(info.fps);
  json["num_frames"] = info.num_frames;
  json["variable_frame_rate"] = info.variable_frame_rate;
  json["lossless"] = info.lossless ? Json(*info.lossless) : Json(nullptr);
  if (info.lost_at_start > 0) json["lost_at_start"] = info.lost_at_start;
  if (!info.notes.empty()) json["notes"] = info.notes;
  return json;
}

VideoInfo VideoInfoFromJson(const nlohmann::json& json, const std::string& where) {
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
  if (fields.Has("lossless") && !fields.At("lossless").is_null()) {
    info.lossless = fields.Bool("lossless", false);
  }
  info.lost_at_start = fields.Integer("lost_at_start", 0);
  info.notes = StringList(json, "notes", where);
  return info;
}

Json IntervalToJson(const std::optional<Interval>& interval) {
  if (!interval) return Json::array({nullptr, nullptr});
  return Json::array({interval->lo, interval->hi});
}

Json RequirementsToJson(const std::vector<RequirementOutcome>& outcomes) {
  Json list = Json::array();
  for (const RequirementOutcome& outcome : outcomes) {
    Json json;
    json["requirement"] = outcome.requirement;
    if (!outcome.of.empty()) json["of"] = outcome.of;
    json["statistic"] = outcome.statistic;
    json["value"] = NumberOrNull(outcome.value);
    json["met"] = outcome.met;
    json["missing"] = outcome.missing;
    list.push_back(std::move(json));
  }
  return list;
}

Json MetricSummaryToJson(const MetricSummary& summary) {
  Json json;
  json["mean"] = NumberOrNull(summary.mean);
  json["median"] = NumberOrNull(summary.median);
  json["std"] = NumberOrNull(summary.std);
  json["min"] = NumberOrNull(summary.min);
  json["max"] = NumberOrNull(summary.max);
  json["ci95"] = IntervalToJson(summary.ci95);
  json["p5"] = NumberOrNull(summary.p5);
  json["frame_weighted_mean"] = NumberOrNull(summary.frame_weighted_mean);
  json["n"] = summary.n;
  json["identical"] = summary.identical;
  return json;
}

MetricSummary MetricSummaryFromJson(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  const auto number = [&](const char* name) {
    return fields.Has(name) ? NumberOr(fields.At(name), kNan, where + ": " + name) : kNan;
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
      ThrowUserError(
          where, "\"ci95\" must be a list of two numbers but is {}", ShownJson(interval));
    }
    const double lo = NumberOr(interval[0], kNan, where + ": ci95");
    const double hi = NumberOr(interval[1], kNan, where + ": ci95");
    if (std::isfinite(lo) && std::isfinite(hi)) summary.ci95 = Interval{lo, hi};
  }
  summary.n = fields.Integer("n", 0);
  summary.identical = fields.Integer("identical", 0);
  return summary;
}

std::string DumpText(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace teacache
