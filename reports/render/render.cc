#include "reports/render/render.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "reports/data/report_json.h"
#include "reports/data/run_context.h"
#include "reports/findings/choices.h"
#include "reports/findings/join.h"
#include "reports/findings/summaries.h"
#include "reports/pages/html_report.h"
#include "reports/render/foreign_report.h"
#include "reports/render/foreign_runs.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

bool IsSweep(const std::string& folder) { return fs::exists(fs::path(folder) / "report.json"); }

// What is known of how the runs were made is what their folders say.
ReportContext DescribeRender(const RenderOptions& options) {
  ReportContext context = DescribeRun(options.argv, "", 0);
  context.machine.clear();
  context.os.clear();
  context.cpu.clear();
  context.processors = 0;
  context.load = -1;
  context.title = options.title;
  context.floor = options.floor;
  context.require = options.require;
  context.fit_prompts = options.fit_prompts;
  context.scored = "the video files as they were given";
  context.warnings = options.notes;
  return context;
}

std::string TimingNote(const Report& report) {
  for (const ReportRow& row : report.rows) {
    for (const ReportVideo& video : row.videos) {
      if (video.total_seconds >= 0) {
        return "Seconds are those of the timing files; the machine they were measured on is not "
               "known "
               "here";
      }
    }
  }
  return "No timing file tells how long the videos took, so speed-ups are not known";
}

}  // namespace

void RenderOptions::Validate() const {
  if (folders.empty()) ThrowUserError("render", "must be given at least one folder");
  if (out.empty()) ThrowUserError("--out", "must name a folder");
  if (jobs < 0) ThrowUserError("--jobs", "must be at least 0 but is {}", jobs);
  CheckFloor(floor);
  ParseRequirements(require);
}

RenderOutcome RenderReport(const RenderOptions& options) {
  options.Validate();
  const auto start = std::chrono::steady_clock::now();
  std::map<std::string, std::vector<ForeignSetting>> models;
  std::vector<FoundReport> reports;
  for (const std::string& folder : options.folders) {
    if (IsSweep(folder)) {
      reports.push_back({RelativePath(folder, options.out),
                         ReadReportJson((fs::path(folder) / "report.json").string())});
      continue;
    }
    for (ForeignSetting& setting : ReadForeignSettings(folder)) {
      models[setting.model.empty() ? "videos" : setting.model].push_back(std::move(setting));
    }
  }
  MakeFolders(options.out);
  const ReportContext context = DescribeRender(options);
  for (auto& [model, settings] : models) {
    Report report = ReportForeignModel(model, std::move(settings), options);
    const std::vector<std::string> prompts = report.context.test_prompts;
    const std::vector<int64_t> seeds = report.context.seeds;
    std::vector<std::string> warnings = report.context.warnings;
    warnings.push_back(TimingNote(report));
    report.context = context;
    report.context.test_prompts = prompts;
    report.context.seeds = seeds;
    report.context.warnings.insert(
        report.context.warnings.begin(), warnings.begin(), warnings.end());
    reports.push_back({"", std::move(report)});
  }
  RenderOutcome outcome;
  if (reports.size() == 1 && reports.front().folder.empty()) {
    outcome.report = std::move(reports.front().report);
    SummarizeReport(&outcome.report);
  } else {
    outcome.report = JoinReports(std::move(reports));
    outcome.report.context.title = options.title;
    outcome.report.context.argv = context.argv;
    outcome.report.context.floor = options.floor;
    outcome.report.context.require = options.require;
    SummarizeReport(&outcome.report);
  }
  outcome.report.context.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  WriteReportFiles(options.out, outcome.report, options.embed_videos);
  outcome.page = (fs::path(options.out) / "report.html").string();
  for (const ReportRow& row : outcome.report.rows) outcome.failed += row.failed;
  return outcome;
}

}  // namespace teacache
