#include "reports/pages/fit_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "calib/fit/polynomial.h"
#include "calib/report/fit_report.h"
#include "datasets/base/files.h"
#include "reports/pages/html_page.h"

extern "C" {
extern const char teacache_fit_js_begin[];
extern const char teacache_fit_js_end[];
extern const char teacache_fit_css_begin[];
extern const char teacache_fit_css_end[];
}

namespace teacache {
namespace {

using nlohmann::ordered_json;

constexpr size_t kSchedules = 80;  // positions of the slider

std::string_view Asset(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
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
  (*j)["runs"] = ordered_json::array();
  for (const SignalRun& run : input.runs) {
    (*j)["runs"].push_back(
        {{"prompt", input.prompts[run.prompt]}, {"seed", run.seed}, {"branch", run.branch}});
  }
  ordered_json schedules = ordered_json::array();
  for (double threshold : SliderThresholds(expert)) {
    const ReplaySummary replay =
        Replay(input, {rule, expert.fit.polynomial, threshold, expert.fit.x});
    ordered_json runs = ordered_json::array();
    for (const ReplayedRun& run : replay.runs) runs.push_back(ScheduleText(run.computed));
    schedules.push_back({{"threshold", threshold},
                         {"mean_skips", replay.mean_skips},
                         {"longest_run", replay.longest_run},
                         {"speedup", replay.speedup},
                         {"runs", std::move(runs)}});
  }
  (*j)["schedules"] = std::move(schedules);
}

std::string PageData(const FitCoeffsResult& result) {
  ordered_json j = ordered_json::parse(FitReportJson(result));
  for (size_t i = 0; i < result.experts.size(); ++i) {
    if (result.experts[i].data.replay && !result.experts[i].sweep.empty()) {
      AddSchedules(result.experts[i], result.rule, &j["experts"][i]);
    }
  }
  return j.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string QualityRow(const std::string& name, int64_t n, const FitQuality& q) {
  return fmt::format(
      "<tr><th scope=\"row\">{}</th><td>{}</td><td>{:.4f}</td><td>{:.4g}</td><td>{:.4g}</td>"
      "<td>{:.3f}</td><td>{:.3f}</td></tr>\n",
      EscapeHtml(name),
      n,
      q.r2,
      q.rmse,
      q.mae,
      q.pearson,
      q.spearman);
}

std::string QualityTable(const Diagnostics& d) {
  std::string html =
      "<div class=\"scroll\"><table class=\"figures\">\n<thead><tr><th scope=\"col\">f on</th>";
  for (const char* column : {"pairs", "R²", "RMSE", "MAE", "Pearson", "Spearman"}) {
    html += fmt::format("<th scope=\"col\">{}</th>", column);
  }
  html += "</tr></thead>\n<tbody>" + QualityRow("calls that may be skipped", d.window.n, d.window);
  if (d.all.n != d.window.n) html += QualityRow("all calls", d.all.n, d.all);
  return html + fmt::format(
                    "<tr><th scope=\"row\">each {} left out once</th><td>{}</td>"
                    "<td>{:.4f}</td><td>{:.4g}</td><td>{:.4g}</td><td>–</td><td>–</td></tr>"
                    "\n</tbody></table></div>\n",
                    d.groups,
                    d.window.n,
                    d.cv.r2,
                    d.cv.rmse,
                    d.cv.mae);
}

std::string Words(const FitCoeffsResult& result, const FittedExpert& expert) {
  const Diagnostics& d = expert.diagnostics;
  std::string html = "<section class=\"words\" aria-label=\"Verdict\">\n";
  html += fmt::format("<p class=\"verdict\">{}</p>\n", Prose(d.verdict_text));
  if (!result.threshold_text.empty()) {
    html += fmt::format("<p>{}</p>\n", Prose(result.threshold_text));
  }
  html += fmt::format("<p>Coefficients, highest power first: <code>{}</code></p>\n<p>{}</p>\n",
                      EscapeHtml(FormatCoefficients(expert.fit.polynomial.coefficients())),
                      EscapeHtml(expert.fit.BriefReport()));
  html += QualityTable(d);
  const auto warn = [&html](const std::string& text) {
    html += fmt::format("<p class=\"warning\">{}</p>\n", Prose(text));
  };
  if (d.carrying_call) {
    warn(fmt::format("One step carries this fit: without call {} R² collapses.", *d.carrying_call));
  }
  for (const std::string& warning : expert.engine_warnings) warn(warning);
  for (const std::string& warning : result.warnings) warn(warning);
  return html + "</section>\n";
}

// What the threshold does, with the slider that moves both charts.
std::string ThresholdCharts(const FittedExpert& expert, const std::string& suffix) {
  if (!expert.data.replay || expert.sweep.empty()) return "";
  const std::string id = "slider" + EscapeHtml(suffix);
  const std::string slider = fmt::format(
      "<div class=\"slider\"><label for=\"{0}\">Threshold</label><input type=\"range\" id=\"{0}\" "
      "min=\"0\" max=\"1\" step=\"1\" value=\"0\"><output for=\"{0}\"></output></div>\n",
      id);
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
                    .controls = slider,
                    .wide = true}) +
         ChartHtml({.id = "skips" + suffix,
                    .title = "Which calls are skipped",
                    .caption = "One line per prompt, seed and branch at the threshold of the "
                               "slider; filled cells are skipped, pale ones computed. " +
                               exact,
                    .wide = true});
}

std::string ExpertCharts(const FittedExpert& expert, const std::string& suffix) {
  const Diagnostics& d = expert.diagnostics;
  std::string html = "<section class=\"charts\">\n";
  html += ChartHtml({.id = "scatter" + suffix,
                     .title = "Pairs and f(x)",
                     .caption = "Each point is the change between two calls of one run, coloured "
                                "by call; the band is where f lies in 95 % of resamples of the "
                                "prompts. Beyond the dotted ends of the fitted range f is a guess.",
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
  return html + ThresholdCharts(expert, suffix) + "</section>\n";
}

std::string ExpertHtml(const FitCoeffsResult& result, size_t i) {
  const FittedExpert& expert = result.experts[i];
  const std::string& name = expert.data.expert;
  std::string html;
  if (!name.empty()) html += fmt::format("<h2>Expert {}</h2>\n", EscapeHtml(name));
  return html + fmt::format("<div id=\"expert-{}\">\n", i) + Words(result, expert) +
         ExpertCharts(expert, name.empty() ? "" : "-" + name) + "</div>\n";
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
  for (size_t i = 0; i < result.experts.size(); ++i) page.body += ExpertHtml(result, i);
  page.data = DataElement("report", PageData(result));
  page.style = Asset(teacache_fit_css_begin, teacache_fit_css_end);
  page.script = Asset(teacache_fit_js_begin, teacache_fit_js_end);
  return HtmlPageText(page);
}

void WriteFitPage(const std::string& path, const FitCoeffsResult& result) {
  AtomicWriteFile(path, FitPageHtml(result));
}

}  // namespace teacache
