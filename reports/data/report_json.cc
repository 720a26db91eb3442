#include "reports/data/report_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "datasets/base/files.h"
#include "reports/data/report_fields.h"

namespace teacache {
namespace {

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

}  // namespace

void ScoresJson::ReadJson(const JsonNode& node) const {
  for (const auto& [name, score] : node.Members()) {
    if (!score.is_null()) scores[std::string(name)] = score.Number();
  }
}

void ScoresJson::WriteJson(JsonText* text) const {
  text->Begin('{');
  for (const auto& [name, score] : scores) {
    if (!std::isfinite(score)) continue;
    text->Name(name);
    text->Value(score);
  }
  text->End('}');
}

void LibrariesJson::ReadJson(const JsonNode& node) const {
  libraries.clear();
  node.ForEachMember([this](std::string_view name, const JsonNode& version) {
    libraries.emplace_back(name, version.String());
  });
}

void LibrariesJson::WriteJson(JsonText* text) const {
  text->Begin('{');
  for (const auto& [name, version] : libraries) {
    text->Name(name);
    text->Value(version);
  }
  text->End('}');
}

void KindJson::ReadJson(const JsonNode& node) const {
  const auto found = std::ranges::find(kConclusionKinds, node.Text());
  kind = found == kConclusionKinds.end()
             ? ConclusionKind::kOther
             : static_cast<ConclusionKind>(found - kConclusionKinds.begin());
}

void KindJson::WriteJson(JsonText* text) const {
  text->Value(kConclusionKinds.at(static_cast<size_t>(kind)));
}

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
  // File names and messages may hold bytes that are no UTF-8: replaced instead of thrown.
  return ToJson(report, "report", indent, BadUtf8::kReplace) + "\n";
}

Report ParseReportJson(std::string_view text, std::string_view where) {
  auto report = FromJson<Report>(std::string(text), std::string(where));
  DescribeMetrics(&report);
  return report;
}

void WriteReportJson(const std::string& path, const Report& report) {
  AtomicWriteFile(path, ReportJson(report));
}

Report ReadReportJson(const std::string& path) { return ParseReportJson(ReadFile(path), path); }

}  // namespace teacache
