#include "reports/data/report_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "reports/data/report_fields.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "teacache-sweep";

// Names of ConclusionKind in its order.
constexpr std::array<std::string_view, 12> kConclusionKinds = {"choice",
                                                               "baseline",
                                                               "front",
                                                               "overhead",
                                                               "signal",
                                                               "extremes",
                                                               "replay",
                                                               "adherence",
                                                               "prompts",
                                                               "timing",
                                                               "failures",
                                                               "other"};

using Libraries = std::vector<std::pair<std::string, std::string>>;

struct Writer {
  Json json = Json::object();

  template <typename T>
  void operator()(const char* key, T& value) {
    json[key] = ToJson(value);
  }

  static Json ToJson(bool value) { return value; }
  static Json ToJson(std::integral auto value) { return value; }
  static Json ToJson(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
  static Json ToJson(std::string& value) { return value; }
  static Json ToJson(ConclusionKind kind) { return kConclusionKinds.at(static_cast<size_t>(kind)); }
  static Json ToJson(std::vector<bool>& calls) {
    std::string text;
    for (const bool computed : calls) text += computed ? '1' : '0';
    return text;
  }
  static Json ToJson(Libraries& libraries) {
    Json json = Json::object();
    for (auto& [name, version] : libraries) json[name] = version;
    return json;
  }
  template <typename T>
  static Json ToJson(std::map<std::string, T>& values) {
    Json json = Json::object();
    for (auto& [name, value] : values) json[name] = ToJson(value);
    return json;
  }
  template <typename T>
  static Json ToJson(std::optional<T>& value) {
    return value ? ToJson(*value) : Json(nullptr);
  }
  template <typename T>
  static Json ToJson(std::vector<T>& values) {
    Json json = Json::array();
    for (T& value : values) json.push_back(ToJson(value));
    return json;
  }
  template <typename T>
  requires std::is_aggregate_v<T>
  static Json ToJson(T& value) {
    Writer writer;
    Visit(writer, value);
    return std::move(writer.json);
  }
};

struct Reader {
  const Json& json;
  const std::string& where;  // the file
  std::string key;           // of `json` inside the file; "" = the whole file

  [[noreturn]] void Fail(std::string_view expected) const {
    ThrowUserError(where,
                   "{} must be {} but is {}",
                   key.empty() ? "the content" : key,
                   expected,
                   json.type_name());
  }

  template <typename T>
  void operator()(const char* name, T& value) const {
    const auto found = json.find(name);
    if (found == json.end()) return;
    Reader{*found, where, key.empty() ? name : key + "." + name}.Read(value);
  }

  void Read(bool& value) const {
    if (!json.is_boolean()) Fail("true or false");
    value = json.get<bool>();
  }
  template <std::integral T>
  void Read(T& value) const {
    if (!json.is_number_integer()) Fail("a whole number");
    value = json.get<T>();
  }
  void Read(double& value) const {
    if (json.is_null()) return;
    if (!json.is_number()) Fail("a number");
    value = json.get<double>();
  }
  void Read(std::string& value) const {
    if (!json.is_string()) Fail("a string");
    value = json.get<std::string>();
  }
  // Kinds that are not known are other ones, as keys that are not known are passed over.
  void Read(ConclusionKind& kind) const {
    if (!json.is_string()) Fail("a string");
    const auto found = std::ranges::find(kConclusionKinds, json.get<std::string>());
    kind = found == kConclusionKinds.end()
               ? ConclusionKind::kOther
               : static_cast<ConclusionKind>(found - kConclusionKinds.begin());
  }
  // Version 0.1.0 wrote sentences alone.
  void Read(Conclusion& conclusion) const {
    if (json.is_string()) {
      Read(conclusion.text);
    } else {
      if (!json.is_object()) Fail("an object");
      Visit(*this, conclusion);
    }
  }
  void Read(std::vector<bool>& calls) const {
    if (!json.is_string()) Fail("a string of 0 and 1");
    const std::string text = json.get<std::string>();
    if (text.find_first_not_of("01") != std::string::npos) Fail("a string of 0 and 1 only");
    calls.clear();
    for (const char c : text) calls.push_back(c == '1');
  }
  void Read(Libraries& libraries) const {
    if (!json.is_object()) Fail("an object");
    libraries.clear();
    for (const auto& [name, version] : json.items()) {
      std::string text;
      Reader{version, where, key + "." + name}.Read(text);
      libraries.emplace_back(name, text);
    }
  }
  template <typename T>
  void Read(std::map<std::string, T>& values) const {
    if (!json.is_object()) Fail("an object");
    values.clear();
    for (const auto& [name, item] : json.items()) {
      if (!item.is_null()) Reader{item, where, key + "." + name}.Read(values[name]);
    }
  }
  template <typename T>
  void Read(std::optional<T>& value) const {
    value.reset();
    if (json.is_null()) return;
    T content{};
    Read(content);
    value = std::move(content);
  }
  template <typename T>
  void Read(std::vector<T>& values) const {
    if (!json.is_array()) Fail("an array");
    values.clear();
    for (const Json& item : json) {
      T value{};
      Reader{item, where, fmt::format("{}[{}]", key, values.size())}.Read(value);
      values.push_back(std::move(value));
    }
  }
  template <typename T>
  requires std::is_aggregate_v<T>
  void Read(T& value) const {
    if (!json.is_object()) Fail("an object");
    Visit(*this, value);
  }
};

// Where version 1 has scores: members "psnr", "ssim" and "lpips", and further ones in "extra", each
// {"name", `content`}.
void MoveScores(const char* scores, const char* content, Json* owner) {
  if (!owner->is_object()) return;
  Json moved = Json::object();
  for (const std::string& name : UndescribedMetrics()) {
    const auto found = owner->find(name);
    if (found == owner->end()) continue;
    moved[name] = *found;
    owner->erase(name);
  }
  if (const auto extra = owner->find("extra"); extra != owner->end() && extra->is_array()) {
    for (const Json& item : *extra) {
      if (!item.is_object() || !item.contains("name") || !item["name"].is_string()) continue;
      if (item.contains(content)) moved[item["name"].get<std::string>()] = item[content];
    }
  }
  (*owner)[scores] = std::move(moved);
}

template <typename Function>
void ForEach(Json* owner, const char* list, const Function& function) {
  const auto found = owner->is_object() ? owner->find(list) : owner->end();
  if (found == owner->end() || !found->is_array()) return;
  for (Json& item : *found) function(&item);
}

// A report of 0.1.0 as one of today.
void UpgradeFromVersion1(Json* report) {
  if (const auto context = report->find("context");
      context != report->end() && context->is_object()) {
    const auto floor = context->find("psnr_floor");
    if (floor != context->end()) (*context)["floor"] = {{"metric", "psnr"}, {"value", *floor}};
  }
  ForEach(report, "rows", [](Json* row) {
    ForEach(row, "videos", [](Json* video) { MoveScores("scores", "value", video); });
    MoveScores("scores", "pooled", row);
  });
  ForEach(report, "comparisons", [](Json* pair) { MoveScores("differences", "", pair); });
}

void CheckHeader(const Json& json, const std::string& where) {
  const auto format = json.find("format");
  if (format == json.end() || *format != kFormat) {
    ThrowUserError(where, "must be a report with \"format\": \"{}\" but is not", kFormat);
  }
  const auto version = json.find("version");
  if (version == json.end() || !version->is_number_integer()) {
    ThrowUserError(where, "must have a whole number as \"version\"");
  }
  if (version->get<int>() > Report::kVersion) {
    ThrowUserError(where,
                   "must have version {} or lower but has {}; it was written by a newer tool",
                   Report::kVersion,
                   version->get<int>());
  }
}

}  // namespace

void DescribeMetrics(Report* report) {
  std::set<std::string> scored;
  for (const ReportRow& row : report->rows) {
    for (const auto& item : row.scores) scored.insert(item.first);
    for (const ReportVideo& video : row.videos) {
      for (const auto& item : video.scores) scored.insert(item.first);
    }
  }
  std::vector<MetricInfo> missing;
  const auto add = [&](const std::string name) {
    if (scored.erase(name) > 0 && FindMetric(report->metrics, name) == nullptr) {
      missing.push_back(UndescribedMetric(name));
    }
  };
  for (const std::string& name : UndescribedMetrics()) add(name);
  while (!scored.empty()) add(*scored.begin());
  report->metrics.insert(report->metrics.begin(), missing.begin(), missing.end());
}

std::string ReportJson(const Report& report, int indent) {
  Writer writer;
  writer.json["format"] = kFormat;
  writer.json["version"] = Report::kVersion;
  // Visit is written for both directions and therefore takes a mutable struct; a Writer only reads.
  Visit(writer, const_cast<Report&>(report));
  // File names and messages may hold bytes that are no UTF-8: replaced instead of thrown.
  return writer.json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

Report ParseReportJson(std::string_view text, std::string_view where) {
  const std::string file(where);
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) ThrowUserError(where, "must be JSON but is not (cut or damaged?)");
  CheckHeader(json, file);
  if (json["version"] == 1) UpgradeFromVersion1(&json);
  Report report;
  Reader{json, file, ""}.Read(report);
  DescribeMetrics(&report);
  return report;
}

void WriteReportJson(const std::string& path, const Report& report) {
  AtomicWriteFile(path, ReportJson(report));
}

Report ReadReportJson(const std::string& path) { return ParseReportJson(ReadFile(path), path); }

}  // namespace teacache
