#include "calib/fit_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "calib/fit_report.h"
#include "calib/polynomial.h"
#include "datasets/files.h"

extern "C" {
extern const char teacache_fit_plotly_js_begin[];
extern const char teacache_fit_plotly_js_end[];
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

std::string Escape(std::string_view text) {
  std::string html;
  for (char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

// '<' can stand only inside JSON's strings, where \u003c means the same and cannot end the element.
std::string ScriptSafe(const std::string& json) {
  std::string safe;
  safe.reserve(json.size() + json.size() / 50);
  for (char c : json) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
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
    (*j)["runs"].push_back(fmt::format(
        "{}, seed {}, {}", Escape(input.prompts[run.prompt].substr(0, 60)), run.seed, run.branch));
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

std::string Chart(const char* id, const char* title, const char* caption, bool wide) {
  return fmt::format(
      "<figure class=\"chart{}\"><h3>{}</h3>\n<div class=\"plot\" data-figure=\"{}\"></div>\n"
      "<figcaption>{}</figcaption></figure>\n",
      wide ? " wide" : "",
      title,
      id,
      caption);
}

std::string QualityRow(const char* name, const FitQuality& q) {
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><td>{:.4f}</td><td>{:.4g}</td><td>{:.4g}</td><td>{:.3f}</td>"
      "<td>{:.3f}</td></tr>\n",
      name,
      q.n,
      q.r2,
      q.rmse,
      q.mae,
      q.pearson,
      q.spearman);
}

std::string Words(const FitCoeffsResult& result, const FittedExpert& expert) {
  const Diagnostics& d = expert.diagnostics;
  std::string html = "<section class=\"words\">\n";
  html += fmt::format("<p class=\"verdict\">{}</p>\n", Escape(d.verdict_text));
  html += fmt::format("<p><code>{}</code></p>\n<p>{}</p>\n",
                      Escape(FormatCoefficients(expert.fit.polynomial.coefficients())),
                      Escape(expert.fit.BriefReport()));
  html +=
      "<table><tr><th></th><th>pairs</th><th>R2</th><th>RMSE</th><th>MAE</th><th>Pearson</th>"
      "<th>Spearman</th></tr>\n";
  html += QualityRow("calls that may be skipped", d.window);
  html += QualityRow("all calls", d.all);
  html += fmt::format(
      "<tr><td>each {} left out once</td><td>{}</td><td>{:.4f}</td><td>{:.4g}</td><td>{:.4g}</td>"
      "<td></td><td></td></tr>\n</table>\n",
      d.groups,
      d.window.n,
      d.cv.r2,
      d.cv.rmse,
      d.cv.mae);
  const auto warn = [&html](const std::string& text) {
    html += fmt::format("<p class=\"warning\">{}</p>\n", Escape(text));
  };
  if (d.carrying_call) {
    warn(fmt::format("One step carries this fit: without call {} R2 collapses.", *d.carrying_call));
  }
  for (const std::string& warning : expert.engine_warnings) warn(warning);
  for (const std::string& warning : result.warnings) warn(warning);
  return html + "</section>\n";
}

std::string ExpertHtml(const FitCoeffsResult& result, size_t i) {
  const FittedExpert& expert = result.experts[i];
  std::string html;
  if (!expert.data.expert.empty()) {
    html += fmt::format("<h2>Expert {}</h2>\n", Escape(expert.data.expert));
  }
  html += fmt::format("<div id=\"expert-{}\">\n", i) + Words(result, expert);
  html += "<div class=\"charts\">\n";
  html +=
      Chart("scatter",
            "Pairs and f(x)",
            "Each point is the change between two calls of one run, coloured by call; the band is "
            "where f lies in 95 % of resamples of the prompts. Outside the points f is a guess.",
            true);
  html += Chart("residuals", "Residuals", "What f misses: y − f(x).", false);
  if (!expert.diagnostics.steps.empty()) {
    html += Chart(
        "steps",
        "By step",
        "Means over all prompts with their standard deviations, and how much of the fit hangs on "
        "each call.",
        false);
  }
  html += Chart(
      "degrees",
      "Which model predicts",
      "R2 on what was left out. A polynomial that does not beat the step number or a constant is "
      "not worth using.",
      false);
  if (!expert.diagnostics.learning.empty()) {
    html += Chart(
        "learning",
        "Are the prompts enough?",
        "Error on the prompts left out against the number fitted; flat at the right end: enough.",
        false);
  }
  if (expert.data.replay && !expert.sweep.empty()) {
    html += Chart("threshold",
                  "Threshold",
                  "Skipped calls and predicted speed-up under the engine's rule.",
                  true);
    html += fmt::format(
        "<figure class=\"chart wide\"><h3>Skip map</h3>\n<div "
        "class=\"slider\"><label>Threshold</label>"
        "<input type=\"range\" min=\"0\" max=\"1\" step=\"1\" value=\"0\" aria-label=\"Threshold\">"
        "<output></output></div>\n<div class=\"plot\" data-figure=\"skips\"></div>\n<figcaption>{}"
        "</figcaption></figure>\n",
        expert.data.replay->time_only
            ? "Coloured calls are skipped. The signal depends on time only: the schedule is exact."
            : "Coloured calls are skipped. The signal was recorded without skips; after a skip it "
              "drifts, "
              "so the schedule is an approximation.");
  }
  return html + "</div>\n</div>\n";
}

std::string Facts(const FitCoeffsResult& result) {
  const CoefficientProvenance& p = result.coefficients.provenance;
  std::string facts = fmt::format("{} prompts, {} runs, {} pairs", p.prompts, p.runs, p.pairs);
  if (p.steps > 0) facts += fmt::format(" · {} steps", p.steps);
  if (p.width > 0) facts += fmt::format(" · {}×{}", p.width, p.height);
  if (p.guidance > 0) facts += fmt::format(" · guidance {}", p.guidance);
  return facts + fmt::format(" · {} · engine {}", p.method, result.rule.name);
}

}  // namespace

std::string FitPageHtml(const FitCoeffsResult& result) {
  const CoefficientProvenance& p = result.coefficients.provenance;
  const std::string title =
      "Calibration" + (p.model.empty() ? std::string() : " of " + Escape(p.model));
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\" data-theme=\"light\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n<style>\n",
      title);
  html += Asset(teacache_fit_css_begin, teacache_fit_css_end);
  html += "</style>\n</head>\n<body>\n<main>\n";
  html += fmt::format(
      "<header><div><h1>{}</h1>\n<p class=\"facts\">{}</p></div>\n"
      "<button type=\"button\" id=\"theme\">Dark</button></header>\n",
      title,
      Escape(Facts(result)));
  if (!result.threshold_text.empty()) {
    html += fmt::format("<p>{}</p>\n", Escape(result.threshold_text));
  }
  for (size_t i = 0; i < result.experts.size(); ++i) html += ExpertHtml(result, i);
  html += "</main>\n<script type=\"application/json\" id=\"report\">";
  html += ScriptSafe(PageData(result));
  html += "</script>\n<script>";
  html += Asset(teacache_fit_plotly_js_begin, teacache_fit_plotly_js_end);
  html += "</script>\n<script>\n";
  html += Asset(teacache_fit_js_begin, teacache_fit_js_end);
  html += "</script>\n</body>\n</html>\n";
  return html;
}

void WriteFitPage(const std::string& path, const FitCoeffsResult& result) {
  AtomicWriteFile(path, FitPageHtml(result));
}

}  // namespace teacache
