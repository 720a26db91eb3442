#include "reports/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>

#include "datasets/files.h"
#include "reports/conclusions.h"
#include "reports/figures.h"
#include "reports/labels.h"
#include "reports/page_assets.h"
#include "reports/report_csv.h"
#include "reports/report_json.h"
#include "reports/report_markdown.h"

namespace teacache {
namespace {

// JSON inside a <script> element: '<' can only stand inside strings, where \u003c means the same
// and cannot end the element.
std::string ScriptSafe(std::string_view json) {
  std::string safe;
  safe.reserve(json.size() + json.size() / 50);
  for (const char c : json) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

// Escaped text in which a number keeps its unit on the line.
std::string Prose(std::string_view text) {
  std::string html = EscapeHtml(text);
  for (const std::string_view unit : {" %", " dB", " s "}) {
    for (size_t at = html.find(unit); at != std::string::npos; at = html.find(unit, at + 6)) {
      html.replace(at, 1, "&nbsp;");
    }
  }
  return html;
}

std::string DataElement(const std::string& id, std::string_view json) {
  return fmt::format("<script type=\"application/json\" id=\"{}\">{}</script>\n",
                     EscapeHtml(id),
                     ScriptSafe(json));
}

// "30 calls, 16 frames of 64×64" of one model.
std::string ModelLine(const SweepModel& model) {
  std::string text =
      fmt::format("{}: {} steps, {} transformer calls", model.name, model.steps, model.calls);
  if (!model.scheduler.empty()) text += ", " + model.scheduler;
  if (model.guidance > 0) text += fmt::format(", guidance {}", Short(model.guidance));
  text += fmt::format(", {} frames of {}×{}", model.frames, model.width, model.height);
  if (model.parameters > 0) {
    text += fmt::format(", {} M parameters", Short(std::round(model.parameters / 1e5) / 10));
  }
  if (!model.dtype.empty()) text += ", " + model.dtype;
  return text;
}

std::string Header(const SweepReport& report) {
  const SweepContext& context = report.context;
  std::string html = fmt::format("<header>\n<div><h1>{}</h1>\n", EscapeHtml(ReportTitle(report)));
  std::vector<std::string> facts;
  facts.push_back(fmt::format("{} test prompt{} × {} seed{}",
                              context.test_prompts.size(),
                              context.test_prompts.size() == 1 ? "" : "s",
                              context.seeds.size(),
                              context.seeds.size() == 1 ? "" : "s"));
  for (const SweepModel& model : report.models) facts.push_back(ModelLine(model));
  if (!context.cpu.empty()) facts.push_back(context.cpu);
  if (!context.started.empty()) facts.push_back(context.started.substr(0, 10));
  html += "<p class=\"facts\">";
  for (const std::string& fact : facts) html += fmt::format("<span>{}</span>", EscapeHtml(fact));
  html += "</p></div>\n<div class=\"actions\">";
  html += "<button type=\"button\" id=\"theme\">Dark</button>";
  html += "<button type=\"button\" id=\"print\">Print</button></div>\n</header>\n";
  return html;
}

std::string Words(const SweepReport& report) {
  std::string html = "<section class=\"words\" aria-label=\"Conclusions\">\n";
  for (size_t i = 0; i < report.conclusions.size(); ++i) {
    if (i == 0) {
      html += fmt::format("<p class=\"verdict\">{}</p>\n<ul>\n", Prose(report.conclusions[0]));
    } else {
      html += fmt::format("<li>{}</li>\n", Prose(report.conclusions[i]));
    }
  }
  if (!report.conclusions.empty()) html += "</ul>\n";
  for (const std::string& warning : report.context.warnings) {
    html += fmt::format("<p class=\"warning\">{}</p>\n", EscapeHtml(warning));
  }
  return html + "</section>\n";
}

// Filled by the script; the frame is here so that the page keeps its shape while loading.
constexpr std::string_view kPlayer = R"(<section class="player" id="player">
<div class="pickers">
<label>Setting <select id="setting"></select></label>
<label class="grow">Prompt <select id="video"></select></label>
<span class="transport">
<button type="button" id="step-back" title="One frame back" aria-label="One frame back">&#9664;&#xFE0E;</button>
<button type="button" id="play" title="Play or pause">Play</button>
<button type="button" id="step-forward" title="One frame forward" aria-label="One frame forward">&#9654;&#xFE0E;</button>
</span>
<label>Speed <select id="rate"><option value="0.25">¼×</option><option value="0.5">½×</option><option value="1" selected>1×</option></select></label>
<label>Difference <select id="gain"><option>1</option><option>2</option><option>4</option><option selected>8</option><option>16</option><option>32</option></select></label>
</div>
<dl class="tiles" id="tiles"></dl>
<div class="panes">
<figure><figcaption>uncached</figcaption><video id="video-uncached" muted playsinline preload="auto"></video></figure>
<figure><figcaption id="cached-label">cached</figcaption><video id="video-cached" muted playsinline preload="auto"></video></figure>
<figure><figcaption>difference <span id="gain-label">×8</span></figcaption><canvas id="video-difference" width="64" height="64"></canvas></figure>
</div>
<input type="range" id="scrubber" min="0" max="1" step="any" value="0" aria-label="Position in the videos">
<div class="schedule" id="schedule" aria-hidden="true"></div>
<p class="note" id="video-note"></p>
</section>
)";

std::string Chart(const Figure& figure) {
  return fmt::format(
      "<figure class=\"chart{}\" id=\"chart-{}\" data-figure=\"{}\"{}>\n"
      "<h3>{}<span><button type=\"button\" data-save=\"svg\">SVG</button>"
      "<button type=\"button\" data-save=\"png\">PNG</button></span></h3>\n"
      "<div class=\"plot\"></div>\n<figcaption>{}</figcaption>\n</figure>\n",
      figure.wide ? " wide" : "",
      EscapeHtml(figure.id),
      EscapeHtml(figure.id),
      figure.calls_json.empty() ? "" : " data-axes=\"2\"",
      EscapeHtml(figure.title),
      Prose(figure.caption));
}

std::string Charts(const std::vector<Figure>& figures, bool quality) {
  const auto three = std::ranges::count_if(
      figures, [](const Figure& figure) { return !figure.calls_json.empty(); });
  std::string html =
      fmt::format("<section class=\"charts{}\">\n", quality && three > 2 ? " three" : "");
  for (const Figure& figure : figures) {
    if (figure.calls_json.empty() != quality) html += Chart(figure);
  }
  return html + "</section>\n";
}

std::string FigureData(const std::vector<Figure>& figures) {
  std::string html;
  for (const Figure& figure : figures) {
    html += DataElement("figure-" + figure.id, figure.json);
    if (!figure.calls_json.empty())
      html += DataElement("figure-" + figure.id + "-calls", figure.calls_json);
  }
  return html;
}

// One column of the table of settings: what is printed and what it is sorted by.
struct Column {
  const char* title;
  std::function<std::string(const SweepRow&)> text;
  std::function<std::optional<double>(const SweepRow&)> value;  // empty = sorted as text
};

std::optional<double> MeanOf(const std::optional<SweepMetric>& metric) {
  if (!metric) return std::nullopt;
  // Identical videos are better than any number.
  return metric->mean ? metric->mean : metric->identical > 0 ? std::optional(1e9) : std::nullopt;
}

std::optional<double> MeanAdherence(const SweepRow& row) {
  if (row.adherence.empty()) return std::nullopt;
  double sum = 0;
  for (const SweepShare& share : row.adherence) sum += share.share;
  return sum / static_cast<double>(row.adherence.size());
}

std::string AgainstUniform(const SweepReport& report, const SweepRow& row) {
  const SweepComparison* comparison = FindComparison(report, row.id, "uniform");
  if (!comparison || !comparison->psnr) return "–";
  const SweepDifference& difference = *comparison->psnr;
  return fmt::format("{} ({} to {})",
                     Signed(difference.mean, 1),
                     Signed(difference.ci95.lo, 1),
                     Signed(difference.ci95.hi, 1));
}

std::string SecondsText(const SweepTiming& timing) {
  if (timing.n == 0) return "–";
  return fmt::format(
      "{} ({}–{})", Fixed(timing.median, 3), Fixed(timing.lo, 3), Fixed(timing.hi, 3));
}

void AddQualityColumns(const SweepReport& report, std::vector<Column>* columns) {
  columns->push_back({"PSNR, dB",
                      [](const SweepRow& row) { return MetricText(row.psnr, 1); },
                      [](const SweepRow& row) { return MeanOf(row.psnr); }});
  columns->push_back({"worst 5 %, dB",
                      [](const SweepRow& row) { return row.psnr ? Fixed(row.psnr->p5, 1) : "–"; },
                      [](const SweepRow& row) { return row.psnr ? row.psnr->p5 : std::nullopt; }});
  columns->push_back({"SSIM",
                      [](const SweepRow& row) { return MetricText(row.ssim, 4); },
                      [](const SweepRow& row) { return MeanOf(row.ssim); }});
  if (std::ranges::any_of(report.rows, [](const SweepRow& row) { return row.lpips.has_value(); })) {
    columns->push_back({"LPIPS",
                        [](const SweepRow& row) { return MetricText(row.lpips, 4); },
                        [](const SweepRow& row) { return MeanOf(row.lpips); }});
  }
  if (!report.comparisons.empty()) {
    columns->push_back({"− uniform, dB",
                        [&report](const SweepRow& row) { return AgainstUniform(report, row); },
                        [&report](const SweepRow& row) -> std::optional<double> {
                          const SweepComparison* comparison =
                              FindComparison(report, row.id, "uniform");
                          if (!comparison || !comparison->psnr) return std::nullopt;
                          return comparison->psnr->mean;
                        }});
  }
  if (std::ranges::any_of(report.rows,
                          [](const SweepRow& row) { return !row.adherence.empty(); })) {
    columns->push_back({"prompt shown",
                        [](const SweepRow& row) {
                          const auto share = MeanAdherence(row);
                          return share ? Fixed(100 * *share, 0) + " %" : "–";
                        },
                        MeanAdherence});
  }
}

std::vector<Column> TableColumns(const SweepReport& report) {
  std::vector<Column> columns;
  if (report.models.size() > 1) {
    columns.push_back({"model", [](const SweepRow& row) { return row.model; }, {}});
  }
  columns.push_back({"setting", RowLabel, {}});
  columns.push_back({"computed",
                     [](const SweepRow& row) {
                       return fmt::format("{} / {}", Fixed(row.computed_mean, 1), row.calls);
                     },
                     [](const SweepRow& row) { return std::optional(row.computed_mean); }});
  columns.push_back({"longest skip",
                     [](const SweepRow& row) { return std::to_string(row.longest_skip); },
                     [](const SweepRow& row) { return std::optional<double>(row.longest_skip); }});
  columns.push_back({"seconds",
                     [](const SweepRow& row) { return SecondsText(row.total); },
                     [](const SweepRow& row) { return std::optional(row.total.median); }});
  columns.push_back({"speed-up",
                     [](const SweepRow& row) { return SpeedupText(row.speedup_total); },
                     [](const SweepRow& row) { return std::optional(row.speedup_total.value); }});
  columns.push_back(
      {"transformer",
       [](const SweepRow& row) { return Fixed(row.speedup_transformer.value, 2) + "×"; },
       [](const SweepRow& row) { return std::optional(row.speedup_transformer.value); }});
  AddQualityColumns(report, &columns);
  return columns;
}

// "1.73× (1.70–1.76)" with the bracket small below the value.
std::string CellText(const std::string& text) {
  const size_t bracket = text.find(" (");
  if (bracket == std::string::npos) return EscapeHtml(text);
  return fmt::format("{}<small>{}</small>",
                     EscapeHtml(text.substr(0, bracket)),
                     EscapeHtml(text.substr(bracket + 1)));
}

std::string TableRow(const SweepRow& row, const std::vector<Column>& columns) {
  std::string html = fmt::format(
      "<tr data-row=\"{}\" class=\"{}\">", EscapeHtml(row.id), EscapeHtml("policy-" + row.policy));
  for (const Column& column : columns) {
    const std::string content = column.text(row);
    const std::string text = EscapeHtml(content);
    if (!column.value) {
      html += fmt::format("<th scope=\"row\" data-value=\"{}\">{}</th>", text, text);
      continue;
    }
    const std::optional<double> value = column.value(row);
    const std::string key = value && std::isfinite(*value) ? fmt::format("{}", *value) : "";
    html += fmt::format("<td data-value=\"{}\">{}</td>", key, CellText(content));
  }
  return html + "</tr>\n";
}

std::string Table(const SweepReport& report) {
  const std::vector<Column> columns = TableColumns(report);
  std::string html =
      "<section>\n<div class=\"section-head\"><h2>All settings</h2><span>"
      "<button type=\"button\" id=\"csv\">CSV</button></span></div>\n"
      "<div class=\"scroll\"><table id=\"settings\">\n<thead><tr>";
  for (const Column& column : columns) {
    html += fmt::format("<th scope=\"col\"><button type=\"button\">{}</button></th>",
                        Prose(column.title));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const SweepRow& row : report.rows) html += TableRow(row, columns);
  return html +
         "</tbody>\n</table></div>\n<p class=\"note\">Means over the test videos with 95 % "
         "intervals; "
         "seconds are medians with quartiles. A click on a head sorts, a click on a line shows its "
         "videos.</p>\n</section>\n";
}

std::string Failures(const SweepReport& report) {
  std::string items;
  for (const SweepRow& row : report.rows) {
    for (const SweepVideo& video : row.videos) {
      if (video.error.empty()) continue;
      items += fmt::format("<li>{}, prompt {}, seed {}: {}</li>\n",
                           EscapeHtml(RowLabel(row)),
                           video.prompt + 1,
                           video.seed,
                           EscapeHtml(video.error));
    }
  }
  return items.empty()
             ? ""
             : "<section class=\"words\"><h2>Failed videos</h2><ul>" + items + "</ul></section>\n";
}

void AddFact(std::string_view name, std::string_view value, std::string* html) {
  if (value.empty()) return;
  *html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", EscapeHtml(name), EscapeHtml(value));
}

std::string PromptList(const std::string& title, const std::vector<std::string>& prompts) {
  if (prompts.empty()) return "";
  std::string html = fmt::format("<details><summary>{} ({})</summary><ol>", title, prompts.size());
  for (const std::string& prompt : prompts) html += "<li>" + EscapeHtml(prompt) + "</li>";
  return html + "</ol></details>\n";
}

std::string HowItRan(const SweepReport& report) {
  const SweepContext& context = report.context;
  std::string html = "<section>\n<h2>How it ran</h2>\n<dl class=\"context\">\n";
  AddFact("command", fmt::format("{}", fmt::join(context.argv, " ")), &html);
  AddFact(
      "tool",
      context.tool_version + (context.git_commit.empty() ? "" : ", commit " + context.git_commit),
      &html);
  AddFact("started", context.started, &html);
  if (context.seconds > 0) AddFact("took", fmt::format("{:.0f} s", context.seconds), &html);
  AddFact("machine", context.machine, &html);
  AddFact("system", context.os, &html);
  AddFact("processor", context.cpu, &html);
  AddFact("device", context.device, &html);
  if (context.threads > 0) AddFact("threads", std::to_string(context.threads), &html);
  if (context.load >= 0) AddFact("load at the start", Fixed(context.load, 2), &html);
  std::string libraries;
  for (const auto& [name, version] : context.libraries) {
    libraries += fmt::format("{}{} {}", libraries.empty() ? "" : ", ", name, version);
  }
  AddFact("libraries", libraries, &html);
  for (const SweepModel& model : report.models) {
    AddFact("model", model.description, &html);
    AddFact("weights", model.weights_digest, &html);
  }
  AddFact("seeds", fmt::format("{}", fmt::join(context.seeds, ", ")), &html);
  html += "</dl>\n";
  html += PromptList("Test prompts", context.test_prompts);
  html += PromptList("Prompts of the fit", context.fit_prompts);
  return html + "</section>\n";
}

constexpr std::string_view kReading = R"(<section class="reading">
<h2>How to read this</h2>
<p>TeaCache skips transformer calls whose result can be guessed from the last one: it adds up the rescaled
change of the modulated input and computes again when the sum reaches the threshold. Every quality figure
compares a cached video with the uncached video of the same prompt and seed, so it measures how much the
result changed, not how good the video is. PSNR (dB) and SSIM rise with similarity, LPIPS falls. The honest
baseline is uniform skipping: as many computed calls, evenly spread, no signal looked at.</p>
</section>
)";

}  // namespace

std::string HtmlReport(const SweepReport& report) {
  const std::vector<Figure> figures = ReportFigures(report);
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n";
  html += fmt::format("<title>{}</title>\n<style>\n", EscapeHtml(ReportTitle(report)));
  html += PageStyle();
  html += "</style>\n</head>\n<body>\n<main>\n";
  html += Header(report);
  html += Words(report);
  html +=
      "<div class=\"section-head\"><h2>Speed and quality</h2><span class=\"axes\">against "
      "<button type=\"button\" data-x=\"speed\">speed-up</button>"
      "<button type=\"button\" data-x=\"calls\">computed calls</button></span></div>\n";
  html += Charts(figures, true);
  html += "<div class=\"section-head\"><h2>Side by side</h2></div>\n";
  html += kPlayer;
  html += "<div class=\"section-head\"><h2>In detail</h2></div>\n";
  html += Charts(figures, false);
  html += Table(report);
  html += Failures(report);
  html += HowItRan(report);
  html += kReading;
  html += "</main>\n";
  html += DataElement("report-data", ReportJson(report, -1));
  html += FigureData(figures);
  html += "<script>";
  html += PlotlyScript();
  html += "</script>\n<script>\n";
  html += PageScript();
  return html + "</script>\n</body>\n</html>\n";
}

void WriteHtmlReport(const std::string& path, const SweepReport& report) {
  AtomicWriteFile(path, HtmlReport(report));
}

void WriteReportFiles(const std::string& folder, const SweepReport& report) {
  WriteReportJson(folder + "/report.json", report);
  AtomicWriteFile(folder + "/report.csv", ReportCsv(report));
  AtomicWriteFile(folder + "/videos.csv", VideosCsv(report));
  AtomicWriteFile(folder + "/report.md", ReportMarkdown(report));
  WriteHtmlReport(folder + "/report.html", report);
}

}  // namespace teacache
