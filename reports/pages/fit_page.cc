#include "reports/pages/fit_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "calib/fit/polynomial.h"
#include "calib/report/fit_report_json.h"
#include "datasets/base/files.h"
#include "reports/kit/html_page.h"
#include "reports/kit/html_template.h"
#include "reports/pages/embedded/fit_css.h"
#include "reports/pages/embedded/fit_html.h"
#include "reports/pages/embedded/fit_js.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;

constexpr size_t kSchedules = 80;  // positions of the slider
// What a page holds at most, so that it stays below 10 MB and a browser can draw it.
constexpr size_t kPairs = 20'000;
constexpr size_t kCells = 2'000'000;  // of the skip map, all positions of the slider together

size_t MostRuns(const FittedExpert& expert) {
  if (!expert.data.replay) return 1;
  const auto cells = kSchedules * static_cast<size_t>(std::max(1, expert.data.replay->calls));
  return std::max<size_t>(1, std::min<size_t>(300, kCells / cells));
}

// "12,345"
std::string Grouped(size_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) text.insert(at, ",");
  return text;
}

// " 300 of 5,000 runs are shown, evenly picked."; "" where all are.
std::string Picked(size_t count, size_t most, const char* what) {
  if (count <= most) return "";
  return fmt::format(" {} of {} {} are shown, evenly picked; the figures are of all.",
                     Grouped(most),
                     Grouped(count),
                     what);
}

// The thresholds of the slider: where the number of skips changes, evenly picked.
std::vector<double> SliderThresholds(const FittedExpert& expert) {
  std::vector<double> changes;
  double last = -1;
  for (const SweepPoint& point : expert.sweep) {
    if (point.mean_skips == last) continue;
    last = point.mean_skips;
    changes.push_back(point.threshold);
  }
  std::vector<double> picked;
  const size_t n = std::min(kSchedules, changes.size());
  for (size_t i = 0; i < n; ++i) {
    picked.push_back(changes[n > 1 ? i * (changes.size() - 1) / (n - 1) : 0]);
  }
  if (expert.replay) picked.push_back(expert.replay->threshold);
  std::sort(picked.begin(), picked.end());
  picked.erase(std::unique(picked.begin(), picked.end()), picked.end());
  return picked;
}

void AddSchedules(const FittedExpert& expert, const EngineRule& rule, ordered_json* j) {
  const ReplayInput& input = *expert.data.replay;
  const std::vector<size_t> picked = EvenlyPicked(input.runs.size(), MostRuns(expert));
  (*j)["runs"] = ordered_json::array();
  for (const size_t i : picked) {
    const SignalRun& run = input.runs[i];
    (*j)["runs"].push_back(
        {{"prompt", input.prompts[run.prompt]}, {"seed", run.seed}, {"branch", run.branch}});
  }
  ordered_json schedules = ordered_json::array();
  for (double threshold : SliderThresholds(expert)) {
    const ReplaySummary replay =
        Replay(input, {rule, expert.fit.polynomial, threshold, expert.fit.x});
    ordered_json runs = ordered_json::array();
    for (const size_t i : picked) runs.push_back(ScheduleText(replay.runs[i].computed));
    schedules.push_back({{"threshold", threshold},
                         {"mean_skips", replay.mean_skips},
                         {"longest_run", replay.longest_run},
                         {"speedup", replay.speedup},
                         {"runs", std::move(runs)}});
  }
  (*j)["schedules"] = std::move(schedules);
}

std::string PageData(const FitCoeffsResult& result) {
  FitReportLimits limits = {kPairs, SIZE_MAX};
  for (const FittedExpert& expert : result.experts) {
    limits.runs = std::min(limits.runs, MostRuns(expert));
  }
  ordered_json j = ordered_json::parse(FitReportJson(result, limits));
  for (size_t i = 0; i < result.experts.size(); ++i) {
    if (result.experts[i].data.replay && !result.experts[i].sweep.empty()) {
      AddSchedules(result.experts[i], result.rule, &j["experts"][i]);
    }
  }
  return j.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json QualityRow(const std::string& on, int64_t pairs, const FitQuality& q) {
  return {{"on", on},
          {"pairs", pairs},
          {"r2", fmt::format("{:.4f}", q.r2)},
          {"rmse", fmt::format("{:.4g}", q.rmse)},
          {"mae", fmt::format("{:.4g}", q.mae)},
          {"pearson", fmt::format("{:.3f}", q.pearson)},
          {"spearman", fmt::format("{:.3f}", q.spearman)}};
}

ordered_json QualityTable(const Diagnostics& d) {
  ordered_json table = ordered_json::array();
  table.push_back(QualityRow("calls that may be skipped", d.window.n, d.window));
  if (d.all.n != d.window.n) table.push_back(QualityRow("all calls", d.all.n, d.all));
  table.push_back({{"on", fmt::format("each {} left out once", d.groups)},
                   {"pairs", d.window.n},
                   {"r2", fmt::format("{:.4f}", d.cv.r2)},
                   {"rmse", fmt::format("{:.4g}", d.cv.rmse)},
                   {"mae", fmt::format("{:.4g}", d.cv.mae)},
                   {"pearson", "–"},
                   {"spearman", "–"}});
  return table;
}

std::vector<std::string> Warnings(const FitCoeffsResult& result, const FittedExpert& expert) {
  std::vector<std::string> warnings;
  if (expert.diagnostics.carrying_call) {
    warnings.push_back(fmt::format("One step carries this fit: without call {} R² collapses.",
                                   *expert.diagnostics.carrying_call));
  }
  const auto add = [&warnings](const std::vector<std::string>& more) {
    warnings.insert(warnings.end(), more.begin(), more.end());
  };
  add(expert.engine_warnings);
  add(result.warnings);
  return warnings;
}

// What the threshold does, with the slider that moves both charts.
std::string ThresholdCharts(const FittedExpert& expert, const std::string& suffix) {
  if (!expert.data.replay || expert.sweep.empty()) return "";
  const std::string exact =
      expert.data.replay->time_only
          ? "The signal depends on time only: the schedule is exact."
          : "The signal was recorded without skips; after a skip it drifts, so the schedule is an "
            "approximation.";
  return ChartHtml({.id = "threshold" + suffix,
                    .title = "What a threshold skips",
                    .caption = "Skipped calls, mean over all runs with the range from run to run, "
                               "and predicted speed-up under the engine's rule. The slider, or a "
                               "click, moves the dashed line and the map below.",
                    .slider = "slider" + suffix,
                    .wide = true}) +
         ChartHtml({.id = "skips" + suffix,
                    .title = "Which calls are skipped",
                    .caption = "One line per prompt, seed and branch at the threshold of the "
                               "slider; filled cells are computed, pale ones skipped. " +
                               exact +
                               Picked(expert.data.replay->runs.size(), MostRuns(expert), "runs"),
                    .wide = true});
}

std::string ExpertCharts(const FittedExpert& expert, const std::string& suffix) {
  const Diagnostics& d = expert.diagnostics;
  std::string html =
      ChartHtml({.id = "scatter" + suffix,
                 .title = "Pairs and f(x)",
                 .caption = "Each point is the change between two calls of one run, coloured "
                            "by call; the band is where f lies in 95 % of resamples of the "
                            "prompts. Beyond the dotted ends of the fitted range f is a guess." +
                            Picked(expert.data.all.pairs.size(), kPairs, "pairs"),
                 .wide = true});
  html += ChartHtml({.id = "residuals" + suffix,
                     .title = "Residuals",
                     .caption = "What f misses: y − f(x). A pattern here is a pattern that the "
                                "polynomial cannot draw."});
  if (!d.steps.empty()) {
    html += ChartHtml(
        {.id = "steps" + suffix,
         .title = "Call by call",
         .caption = "Means over all prompts with their standard deviations, and which share of "
                    "the fit hangs on each call."});
  }
  html += ChartHtml({.id = "degrees" + suffix,
                     .title = "Which model predicts",
                     .caption = "R² on what was left out. A polynomial that does not beat the step "
                                "number or a constant is not worth using."});
  if (!d.learning.empty()) {
    html += ChartHtml({.id = "learning" + suffix,
                       .title = "Are the prompts enough?",
                       .caption = "Error on the prompts left out against the number fitted; flat "
                                  "at the right end: enough."});
  }
  return html + ThresholdCharts(expert, suffix);
}

ordered_json ExpertValues(const FitCoeffsResult& result, size_t i) {
  const FittedExpert& expert = result.experts[i];
  const std::string& name = expert.data.expert;
  return {{"index", i},
          {"name", name},
          {"verdict", expert.diagnostics.verdict_text},
          {"threshold", result.threshold_text},
          {"coefficients", FormatCoefficients(expert.fit.polynomial.coefficients())},
          {"brief_report", expert.fit.BriefReport()},
          {"quality", QualityTable(expert.diagnostics)},
          {"warnings", Warnings(result, expert)},
          {"charts", ExpertCharts(expert, name.empty() ? "" : "-" + name)}};
}

// "3 prompts, "; nothing where nobody knows.
std::string Counted(int64_t count, const char* what) {
  return count > 0 ? fmt::format("{} {}{}, ", count, what, count == 1 ? "" : "s") : "";
}

std::vector<std::string> Facts(const FitCoeffsResult& result) {
  const CoefficientProvenance& p = result.coefficients.provenance;
  std::vector<std::string> facts = {
      fmt::format("{}{}{} pairs", Counted(p.prompts, "prompt"), Counted(p.runs, "run"), p.pairs)};
  if (p.steps > 0) facts.push_back(fmt::format("{} steps", p.steps));
  if (p.width > 0) facts.push_back(fmt::format("{}×{}", p.width, p.height));
  if (p.guidance > 0) facts.push_back(fmt::format("guidance {}", p.guidance));
  facts.push_back(p.method);
  facts.push_back("engine " + result.rule.name);
  return facts;
}

}  // namespace

std::string FitPageHtml(const FitCoeffsResult& result) {
  const CoefficientProvenance& p = result.coefficients.provenance;
  HtmlPage page;
  page.title = "Calibration" + (p.model.empty() ? std::string() : " of " + p.model);
  page.facts = Facts(result);
  ordered_json experts = ordered_json::array();
  for (size_t i = 0; i < result.experts.size(); ++i) experts.push_back(ExpertValues(result, i));
  page.body = FillTemplate(embedded::fit_html(), {{"experts", std::move(experts)}});
  page.data = DataElement("report", PageData(result));
  page.style = embedded::fit_css();
  page.script = embedded::fit_js();
  return HtmlPageText(page);
}

void WriteFitPage(const std::string& path, const FitCoeffsResult& result) {
  AtomicWriteFile(path, FitPageHtml(result));
}

}  // namespace teacache
