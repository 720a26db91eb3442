#include "datasets/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/csv.h"
#include "datasets/results_fields.h"
#include "datasets/work/shard.h"

namespace teacache {
namespace {

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

std::string ResultsToJson(const Results& results) {
  return ToJson(results, "results", /*indent=*/1, BadUtf8::kReplace) + "\n";
}

void WriteResults(const std::string& path, const Results& results) {
  AtomicWriteFile(path, std::string_view(ResultsToJson(results)));
}

Results ReadResults(const std::string& path) {
  auto results = FromJson<Results>(ReadFile(path), path);
  results.DescribeMetrics();
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
