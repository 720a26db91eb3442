#include "reports/pages/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "datasets/base/files.h"
#include "reports/charts/figure_parts.h"
#include "reports/charts/figures.h"
#include "reports/data/report_json.h"
#include "reports/findings/labels.h"
#include "reports/pages/columns.h"
#include "reports/pages/html_page.h"
#include "reports/writers/report_csv.h"
#include "reports/writers/report_markdown.h"

extern "C" {
extern const char teacache_report_js_begin[];
extern const char teacache_report_js_end[];
extern const char teacache_report_css_begin[];
extern const char teacache_report_css_end[];
}

namespace teacache {
namespace {

std::string_view Asset(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

// "shapes: 30 steps, 30 transformer calls, 16 frames of 64×64" of one model.
std::string ModelLine(const ReportModel& model) {
  std::string text = model.name;
  if (model.steps > 0) text += fmt::format(": {} steps", model.steps);
  if (model.calls > 0) text += fmt::format(", {} transformer calls", model.calls);
  if (!model.scheduler.empty()) text += ", " + model.scheduler;
  if (model.guidance > 0) text += fmt::format(", guidance {}", Short(model.guidance));
  if (model.frames > 0 && model.width > 0) {
    text += fmt::format(", {} frames of {}×{}", model.frames, model.width, model.height);
  }
  if (model.parameters > 0) {
    text += fmt::format(", {} M parameters", Short(std::round(model.parameters / 1e5) / 10));
  }
  if (!model.dtype.empty()) text += ", " + model.dtype;
  return text;
}

std::vector<std::string> Facts(const Report& report) {
  const ReportContext& context = report.context;
  std::vector<std::string> facts;
  facts.push_back(fmt::format("{} test prompt{} × {} seed{}",
                              context.test_prompts.size(),
                              context.test_prompts.size() == 1 ? "" : "s",
                              context.seeds.size(),
                              context.seeds.size() == 1 ? "" : "s"));
  for (const ReportModel& model : report.models) facts.push_back(ModelLine(model));
  if (!context.cpu.empty()) facts.push_back(context.cpu);
  if (!context.started.empty()) facts.push_back(context.started.substr(0, 10));
  return facts;
}

// The first sentence is what to do; the others are why.
std::string Verdict(const std::string& words) {
  const size_t end = words.find(". ");
  if (end == std::string::npos) return fmt::format("<p class=\"verdict\">{}</p>\n", Prose(words));
  return fmt::format("<p class=\"verdict\">{}</p>\n<p>{}</p>\n",
                     Prose(words.substr(0, end + 1)),
                     Prose(words.substr(end + 2)));
}

// With several models each has one.
bool IsVerdictOfModel(const Report& report, const std::string& words) {
  return report.models.size() > 1 &&
         std::ranges::any_of(report.models, [&words](const ReportModel& model) {
           return words.starts_with(model.name + ": Threshold ") ||
                  words.starts_with(model.name + ": No threshold ");
         });
}

std::string Words(const Report& report) {
  std::string html = "<section class=\"words\" aria-label=\"Conclusions\">\n";
  std::string list;
  for (size_t i = 0; i < report.conclusions.size(); ++i) {
    const std::string& words = report.conclusions[i];
    if (i == 0 || IsVerdictOfModel(report, words)) {
      html += Verdict(words);
    } else {
      list += fmt::format("<li>{}</li>\n", Prose(words));
    }
  }
  if (!list.empty()) html += "<ul>\n" + list + "</ul>\n";
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
<label>Difference × <select id="gain"><option>1</option><option>2</option><option>4</option><option selected>8</option><option>16</option><option>32</option></select></label>
</div>
<dl class="tiles" id="tiles"></dl>
<div id="row-notes"></div>
<p class="note" id="video-note" role="status"></p>
<div class="panes" id="panes">
<figure><figcaption>uncached</figcaption><video id="video-uncached" aria-label="Uncached video" muted playsinline preload="auto"></video></figure>
<figure><figcaption id="cached-label">cached</figcaption><video id="video-cached" muted playsinline preload="auto"></video></figure>
<figure><figcaption>difference <span id="gain-label">×8</span></figcaption><canvas id="video-difference" role="img" aria-label="Amplified difference of the two videos" width="64" height="64"></canvas></figure>
</div>
<p class="note" id="size-note"></p>
<input type="range" id="scrubber" min="0" max="1" step="any" value="0" aria-label="Position in the videos">
<div class="schedules">
<p id="schedule-label"></p>
<div class="schedule" id="schedule" role="img"></div>
<p id="replayed-label" hidden></p>
<div class="schedule" id="replayed" role="img" hidden></div>
</div>
</section>
)";

std::string ElementId(const Figure& figure, const FigureVariant& variant) {
  return "figure-" + figure.id + (variant.id.empty() ? "" : "-" + variant.id);
}

std::string Chart(const Figure& figure) {
  ChartFrame frame = {
      .id = figure.id, .title = figure.title, .caption = figure.caption, .wide = figure.wide};
  frame.attributes = fmt::format(" data-first=\"{}\"", EscapeHtml(figure.variants[0].id));
  if (figure.shared_axis) frame.attributes += " data-shared=\"yes\"";
  if (!figure.model.empty()) {
    frame.attributes += fmt::format(" data-model=\"{}\"", EscapeHtml(figure.model));
  }
  for (const FigureVariant& variant : figure.variants) {
    if (!figure.shared_axis) frame.variants.emplace_back(variant.id, variant.label);
  }
  return ChartHtml(frame);
}

std::string Charts(const std::vector<Figure>& figures, bool quality) {
  const auto three = std::ranges::count(figures, true, &Figure::shared_axis);
  std::string html = fmt::format("<section class=\"charts{}\">\n",
                                 quality && three > 2 && three != 4 ? " three" : "");
  for (const Figure& figure : figures) {
    if (figure.shared_axis == quality) html += Chart(figure);
  }
  return html + "</section>\n";
}

// Data of large reports is packed: opening takes a moment longer, mailing much less.
constexpr size_t kPackedFrom = 1'000'000;

std::string Data(std::string_view id, std::string_view json, bool pack) {
  return pack ? PackedDataElement(id, json) : DataElement(id, json);
}

std::string ReportData(const Report& report) {
  const std::string json = ReportJson(report, -1);
  if (json.size() < kPackedFrom) return DataElement("report-data", json);
  return PackedDataElement("report-data", ToColumns(nlohmann::ordered_json::parse(json)).dump());
}

std::string FigureData(const std::vector<Figure>& figures) {
  std::string html;
  size_t size = 0;
  for (const Figure& figure : figures) {
    for (const FigureVariant& variant : figure.variants) size += variant.json.size();
  }
  for (const Figure& figure : figures) {
    for (const FigureVariant& variant : figure.variants) {
      html += Data(ElementId(figure, variant), variant.json, size >= kPackedFrom);
    }
  }
  return html;
}

// What browsers play; other names are tried as MP4.
std::string MimeType(const std::string& path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kTypes = {
      {{".webm", "video/webm"},
       {".mkv", "video/x-matroska"},
       {".mov", "video/quicktime"},
       {".ogv", "video/ogg"},
       {".avi", "video/x-msvideo"}}};
  for (const auto& [extension, type] : kTypes) {
    if (path.ends_with(extension)) return std::string(type);
  }
  return "video/mp4";
}

// One element per video. What is not there is left out: the page says so when it is chosen.
std::string EmbeddedVideos(const Report& report, const std::string& folder) {
  std::set<std::string> done;
  std::string html;
  for (const ReportRow& row : report.rows) {
    for (const ReportVideo& video : row.videos) {
      const std::string file = folder + "/" + video.path;
      if (video.path.empty() || !std::filesystem::is_regular_file(file)) continue;
      if (!done.insert(video.path).second) continue;
      html += fmt::format(
          "<script type=\"text/plain\" class=\"video\" data-path=\"{}\" "
          "data-mime=\"{}\">{}</script>\n",
          EscapeHtml(video.path),
          MimeType(video.path),
          Base64(ReadFile(file)));
    }
  }
  return html;
}

// Filled by the script: only the lines in sight are in the document.
std::string Tables(const Report& report) {
  size_t videos = 0;
  for (const ReportRow& row : report.rows) videos += row.videos.size();
  return fmt::format(
      "<section class=\"tables\">\n<div class=\"section-head\"><h2>All settings and videos</h2>"
      "<span class=\"table-tools\">"
      "<button type=\"button\" data-table=\"settings\">{} settings</button>"
      "<button type=\"button\" data-table=\"videos\">{} videos</button>"
      "<label>Find <input type=\"search\" id=\"filter\"></label>"
      "<button type=\"button\" id=\"csv\" aria-label=\"Save the table as CSV\">CSV</button>"
      "</span></div>\n"
      "<div class=\"scroll big\"><table id=\"settings\" role=\"grid\" tabindex=\"0\" "
      "aria-label=\"All settings\"></table></div>\n"
      "<div class=\"scroll big\" hidden><table id=\"videos\" role=\"grid\" tabindex=\"0\" "
      "aria-label=\"All videos\"></table></div>\n"
      "<p class=\"note\" id=\"printed-note\"></p>\n"
      "<p class=\"note\">Means over the test videos with 95 % intervals; seconds are medians with "
      "quartiles. A head sorts, a line (or the arrow keys) selects what the charts mark and the "
      "player shows.</p>\n</section>\n",
      report.rows.size(),
      videos);
}

std::string ListItems(const std::vector<std::string>& items) {
  constexpr size_t kMost = 200;
  std::string html = "<ul class=\"items\">\n";
  for (size_t i = 0; i < items.size() && i < kMost; ++i) html += items[i];
  if (items.size() > kMost) {
    html += fmt::format("<li>and {} more, in the table of videos</li>\n", items.size() - kMost);
  }
  return html + "</ul>\n";
}

std::string NameOf(const Report& report, const ReportRow& row) {
  return EscapeHtml(report.models.size() > 1 ? row.model + ": " + RowLabel(row) : RowLabel(row));
}

// What is not as it should be: failed and missing videos, and what a reader must know about rows.
std::string Caveats(const Report& report) {
  std::vector<std::string> failed;
  std::vector<std::string> notes;
  for (const ReportRow& row : report.rows) {
    for (const ReportVideo& video : row.videos) {
      if (video.error.empty()) continue;
      failed.push_back(fmt::format("<li>{}, prompt {}, seed {}: {}</li>\n",
                                   NameOf(report, row),
                                   video.prompt + 1,
                                   video.seed,
                                   EscapeHtml(video.error)));
    }
    for (const std::string& note : row.notes) {
      notes.push_back(fmt::format("<li>{}: {}</li>\n", NameOf(report, row), Prose(note)));
    }
  }
  std::string html;
  if (!failed.empty()) {
    html +=
        "<h2>Failed and missing videos</h2>\n<p class=\"note\">They count in no average.</p>\n" +
        ListItems(failed);
  }
  if (!notes.empty()) {
    html += fmt::format(
        "<details{}><summary>What to know about single settings ({})</summary>{}"
        "</details>\n",
        notes.size() <= 12 ? " open" : "",
        notes.size(),
        ListItems(notes));
  }
  return html.empty() ? "" : "<section id=\"caveats\">" + html + "</section>\n";
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

std::string Load(const ReportContext& context) {
  if (context.load < 0) return "";
  std::string text = Fixed(context.load, 2) + " at the start";
  if (context.load_end >= 0) text += ", " + Fixed(context.load_end, 2) + " at the end";
  if (context.processors > 0) text += fmt::format(", of {} processors", context.processors);
  return text;
}

std::string HowItRan(const Report& report) {
  const ReportContext& context = report.context;
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
  AddFact("load", Load(context), &html);
  if (context.timed_runs > 0) {
    AddFact("timed runs", fmt::format("{} of every video", context.timed_runs), &html);
  }
  AddFact("scored", context.scored, &html);
  std::string libraries;
  for (const auto& [name, version] : context.libraries) {
    libraries += fmt::format("{}{} {}", libraries.empty() ? "" : ", ", name, version);
  }
  AddFact("libraries", libraries, &html);
  for (const ReportModel& model : report.models) {
    AddFact("model", model.description, &html);
    AddFact("weights", model.weights_digest, &html);
    AddFact("TeaCache's rule", model.teacache_mode, &html);
  }
  AddFact("seeds", fmt::format("{}", fmt::join(context.seeds, ", ")), &html);
  html += "</dl>\n";
  html += PromptList("Test prompts", context.test_prompts);
  html += PromptList("Prompts of the fit", context.fit_prompts);
  return html + "</section>\n";
}

std::string Reading(const Report& report) {
  std::string html = R"(<section class="reading">
<h2>How to read this</h2>
<p>TeaCache skips transformer calls whose result can be guessed from the last one: it adds up the rescaled
change of the modulated input and computes again when the sum reaches the threshold. Every quality figure
compares a cached video with the uncached video of the same prompt and seed, so it measures how much the
result changed, not how good the video is. PSNR (dB) and SSIM rise with similarity, LPIPS falls. The honest
baseline is uniform skipping: as many computed calls, evenly spread, no signal looked at.</p>
<p>The Pareto front is made of the settings that no other one beats in both speed and quality; its knee is
where more speed begins to cost more quality.</p>
)";
  for (const ReportMetricInfo& metric : report.metrics) {
    if (metric.definition.empty()) continue;
    html += fmt::format("<p>{}: {}</p>\n", EscapeHtml(metric.label), EscapeHtml(metric.definition));
  }
  return html + "</section>\n";
}

// The curves, with a button for every axis that something is known of.
std::string SpeedAndQuality(const std::vector<Figure>& figures) {
  std::string buttons;
  std::set<std::string> axes;
  for (const Figure& figure : figures) {
    if (!figure.shared_axis) continue;
    for (const FigureVariant& variant : figure.variants) {
      if (!HasMarks(variant) || !axes.insert(variant.id).second) continue;
      buttons += fmt::format("<button type=\"button\" data-x=\"{}\">{}</button>",
                             EscapeHtml(variant.id),
                             EscapeHtml(variant.label));
    }
  }
  if (axes.empty()) {
    return R"(<div class="section-head"><h2>Speed and quality</h2></div>
<p class="warning">No curves: neither seconds nor computed calls are known. A timing file beside the
videos tells them (datasets/FORMATS.md).</p>
)";
  }
  constexpr std::string_view kHead =
      R"(<div class="section-head"><h2>Speed and quality</h2><span class="axes">against {}</span></div>)";
  return fmt::format(kHead, buttons) + "\n" + Charts(figures, true);
}

std::string Body(const Report& report, const std::vector<Figure>& figures) {
  std::string html = Words(report);
  html += SpeedAndQuality(figures);
  html += "<div class=\"section-head\"><h2>Side by side</h2></div>\n";
  html += kPlayer;
  html += "<div class=\"section-head\"><h2>In detail</h2></div>\n";
  html += Charts(figures, false);
  html += Tables(report);
  html += Caveats(report);
  html += HowItRan(report);
  return html + Reading(report);
}

}  // namespace

std::string HtmlReport(const Report& report, const HtmlReportOptions& options) {
  const std::vector<Figure> figures = ReportFigures(report);
  HtmlPage page;
  page.title = ReportTitle(report);
  page.facts = Facts(report);
  page.body = Body(report, figures);
  page.data = ReportData(report) + FigureData(figures);
  if (!options.embed_videos_of.empty()) {
    page.data += EmbeddedVideos(report, options.embed_videos_of);
  }
  page.style = Asset(teacache_report_css_begin, teacache_report_css_end);
  page.script = Asset(teacache_report_js_begin, teacache_report_js_end);
  return HtmlPageText(page);
}

void WriteHtmlReport(const std::string& path,
                     const Report& report,
                     const HtmlReportOptions& options) {
  AtomicWriteFile(path, HtmlReport(report, options));
}

void WriteReportFiles(const std::string& folder, const Report& report, bool embed_videos) {
  WriteReportJson(folder + "/report.json", report);
  AtomicWriteFile(folder + "/report.csv", ReportCsv(report));
  AtomicWriteFile(folder + "/videos.csv", VideosCsv(report));
  AtomicWriteFile(folder + "/report.md", ReportMarkdown(report));
  WriteHtmlReport(folder + "/report.html", report, {.embed_videos_of = embed_videos ? folder : ""});
}

}  // namespace teacache
