#include "reports/writers/report_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <optional>
#include <string_view>
#include <vector>

#include "datasets/csv.h"

namespace teacache {
namespace {

// Fields of one line together with their names, so that head and lines cannot drift apart.
class Line {
 public:
  void Add(std::string_view name, std::string_view text) {
    names_.push_back(CsvField(name));
    values_.push_back(CsvField(text));
  }
  void Add(std::string_view name, std::integral auto value) { Add(name, fmt::format("{}", value)); }
  void Add(std::string_view name, std::optional<double> value) {
    Add(name, value && std::isfinite(*value) ? fmt::format("{}", *value) : std::string());
  }

  std::string names() const { return fmt::format("{}\n", fmt::join(names_, ",")); }
  std::string values() const { return fmt::format("{}\n", fmt::join(values_, ",")); }

 private:
  std::vector<std::string> names_;
  std::vector<std::string> values_;
};

void AddMetric(const std::string& name, const ReportMetric* given, Line* line) {
  const ReportMetric metric = given ? *given : ReportMetric{};
  line->Add(name, metric.mean);
  line->Add(name + "_median", metric.median);
  line->Add(name + "_std", metric.std);
  line->Add(name + "_lo", metric.ci95 ? std::optional(metric.ci95->lo) : std::nullopt);
  line->Add(name + "_hi", metric.ci95 ? std::optional(metric.ci95->hi) : std::nullopt);
  line->Add(name + "_capped_mean", metric.capped_mean);
  line->Add(name + "_worst", metric.worst);
  line->Add(name + "_p5", metric.p5);
  line->Add(name + "_p5_lo", metric.p5_ci95 ? std::optional(metric.p5_ci95->lo) : std::nullopt);
  line->Add(name + "_p5_hi", metric.p5_ci95 ? std::optional(metric.p5_ci95->hi) : std::nullopt);
  line->Add(name + "_n", metric.n);
  line->Add(name + "_identical", metric.identical);
}

void AddTiming(const std::string& name, const ReportTiming& timing, Line* line) {
  const bool measured = timing.n > 0;
  line->Add(name, measured ? std::optional(timing.median) : std::nullopt);
  line->Add(name + "_p25", measured ? std::optional(timing.lo) : std::nullopt);
  line->Add(name + "_p75", measured ? std::optional(timing.hi) : std::nullopt);
  line->Add(name + "_n", timing.n);
}

void AddSpeedup(const std::string& name, const ReportSpeedup& speedup, Line* line) {
  line->Add(name, speedup.value > 0 ? std::optional(speedup.value) : std::nullopt);
  line->Add(name + "_lo", speedup.ci95 ? std::optional(speedup.ci95->lo) : std::nullopt);
  line->Add(name + "_hi", speedup.ci95 ? std::optional(speedup.ci95->hi) : std::nullopt);
}

std::optional<double> Measured(double seconds) {
  return seconds >= 0 ? std::optional(seconds) : std::nullopt;
}

Line RowLine(const Report& report,
             const ReportRow& row,
             const std::vector<std::string>& adherence_axes) {
  Line line;
  line.Add("id", row.id);
  line.Add("model", row.model);
  line.Add("policy", row.policy);
  line.Add("fit", row.fit);
  line.Add("threshold", row.threshold);
  line.Add("computed_target", row.computed_target);
  line.Add("matches", row.matches);
  line.Add("calls", row.calls);
  line.Add("computed_mean", std::optional(row.computed_mean));
  line.Add("computed_min", row.computed_min);
  line.Add("computed_max", row.computed_max);
  line.Add("longest_skip",
           row.longest_skip < 0 ? std::nullopt : std::optional<double>(row.longest_skip));
  AddTiming("transformer_seconds", row.transformer, &line);
  AddTiming("decode_seconds", row.decode, &line);
  AddTiming("total_seconds", row.total, &line);
  AddSpeedup("speedup_transformer", row.speedup_transformer, &line);
  AddSpeedup("speedup_total", row.speedup_total, &line);
  for (const MetricInfo& metric : report.metrics) {
    AddMetric(metric.name, Find(row.scores, metric.name), &line);
  }
  for (const std::string& axis : adherence_axes) {
    const auto found = std::ranges::find_if(
        row.adherence, [&axis](const ReportShare& share) { return share.axis == axis; });
    line.Add("adherence_" + axis,
             found == row.adherence.end() ? std::nullopt : std::optional(found->share));
  }
  line.Add("scene_iou", row.scene_iou);
  line.Add("bytes", row.bytes);
  line.Add("videos", row.videos.size());
  line.Add("failed", row.failed);
  line.Add("codec", row.codec);
  line.Add("replayed_mean", row.replayed_mean);
  line.Add("replayed_agrees", row.replayed_agrees);
  line.Add("notes", fmt::format("{}", fmt::join(row.notes, " ")));
  return line;
}

// "c1101": the letter keeps spreadsheets from reading a number.
std::string ScheduleText(const std::vector<bool>& computed) {
  std::string text;
  for (const bool call : computed) text += call ? '1' : '0';
  return text.empty() ? "" : "c" + text;
}

Line VideoLine(const Report& report, const ReportRow& row, const ReportVideo& video) {
  const auto& prompts = report.context.test_prompts;
  const bool known = video.prompt >= 0 && video.prompt < static_cast<int>(prompts.size());

  Line line;
  line.Add("id", row.id);
  line.Add("prompt", video.prompt);
  line.Add("text", known ? prompts[video.prompt] : "");
  line.Add("seed", video.seed);
  line.Add("computed", std::ranges::count(video.computed, true));
  line.Add("identical", video.identical ? 1 : 0);
  for (const MetricInfo& metric : report.metrics) {
    const double* score = Find(video.scores, metric.name);
    line.Add(metric.name, score ? std::optional(*score) : std::nullopt);
  }
  line.Add("transformer_seconds", Measured(video.transformer_seconds));
  line.Add("decode_seconds", Measured(video.decode_seconds));
  line.Add("total_seconds", Measured(video.total_seconds));
  line.Add("timed_runs", video.total_runs.size());
  line.Add("path", video.path);
  line.Add("scored_path", video.scored_path.empty() ? video.path : video.scored_path);
  line.Add("schedule", ScheduleText(video.computed));
  line.Add("replayed", ScheduleText(video.replayed));
  line.Add("error", video.error);
  return line;
}

// Every axis that any row was judged on, in the order of first appearance.
std::vector<std::string> AdherenceAxes(const Report& report) {
  std::vector<std::string> axes;
  for (const ReportRow& row : report.rows) {
    for (const ReportShare& share : row.adherence) {
      if (std::ranges::find(axes, share.axis) == axes.end()) axes.push_back(share.axis);
    }
  }
  return axes;
}

}  // namespace

std::string ReportCsv(const Report& report) {
  const std::vector<std::string> axes = AdherenceAxes(report);
  std::string text = RowLine(report, {}, axes).names();
  for (const ReportRow& row : report.rows) text += RowLine(report, row, axes).values();
  return text;
}

std::string VideosCsv(const Report& report) {
  std::string text = VideoLine(report, {}, {}).names();
  for (const ReportRow& row : report.rows) {
    for (const ReportVideo& video : row.videos) text += VideoLine(report, row, video).values();
  }
  return text;
}

}  // namespace teacache
