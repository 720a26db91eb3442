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
#include "reports/findings/choices.h"
#include "reports/findings/decisions.h"
#include "reports/findings/labels.h"
#include "reports/kit/html_page.h"
#include "reports/kit/html_template.h"
#include "reports/pages/columns.h"
#include "reports/pages/embedded/report_css.h"
#include "reports/pages/embedded/report_html.h"
#include "reports/pages/embedded/report_js.h"
#include "reports/writers/paper_table.h"
#include "reports/writers/report_csv.h"
#include "reports/writers/report_markdown.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

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

// "shapes: Threshold 0.1 is ...", where there are several models.
std::string OfModel(const Report& report, const std::string& model, const std::string& text) {
  return report.models.size() > 1 && !model.empty() ? model + ": " + text : text;
}

std::string IntervalText(const std::optional<Interval>& interval, int digits) {
  return interval ? fmt::format("({}–{})", Fixed(interval->lo, digits), Fixed(interval->hi, digits))
                  : "";
}

std::string ColorOf(const Report& report, const ReportRow& row) {
  return SeriesOf(report, [&row](const ReportRow& other) { return &other == &row; }).front().color;
}

std::string Videos(const ReportMetric& pooled) {
  std::string text = fmt::format("{} video{}", pooled.n, pooled.n == 1 ? "" : "s");
  if (pooled.identical > 0) text += fmt::format(" + {} identical", pooled.identical);
  return text;
}

// A line of the table of policies.
Json OptionValues(const Report& report, const ReportChoice& choice, const ReportOption& option) {
  const ReportRow& row = *FindRow(report, option.row);
  const MetricInfo metric = MetricOf(report, choice.metric);
  const ReportMetric& pooled = row.scores.at(metric.name);
  const int digits = SentenceDigits(metric);
  const std::string unit = SentenceUnit(metric);
  Json values = {{"id", row.id},
                 {"setting", RowLabel(row)},
                 {"policy", row.policy},
                 {"policy_label", PolicyLabel(row.policy)},
                 {"color", ColorOf(report, row)},
                 {"keeps", option.keeps}};
  const bool timed = row.speedup_total.value > 0;
  values["speedup"] = timed ? Fixed(row.speedup_total.value, 2) + "×" : "–";
  values["speedup_interval"] = IntervalText(row.speedup_total.ci95, 2);
  values["calls"] =
      row.calls > 0 ? fmt::format("{} / {}", Fixed(row.computed_mean, 1), row.calls) : "–";
  values["worst"] = option.worst ? Fixed(option.worst, digits) + unit : "identical";
  values["worst_note"] =
      option.keeps ? IntervalText(option.worst_ci95, digits) : "misses the floor";
  values["mean"] = MetricText(&pooled, digits, unit);
  values["videos"] = Videos(pooled);
  const bool compared = option.behind.value > 0;
  values["behind"] = compared                        ? Fixed(option.behind.value, 2) + "×"
                     : &option == BestOption(choice) ? "the best"
                                                     : "–";
  const bool clear = option.behind.ci95 && option.behind.ci95->lo > 1;
  values["behind_note"] =
      compared ? IntervalText(option.behind.ci95, 2) + (clear ? "" : " no clear difference") : "";
  return values;
}

// What a score like the floor means.
std::string FloorWords(double floor, const MetricInfo& metric) {
  const std::string text = fmt::format("The floor is {}{}", Short(floor), SentenceUnit(metric));
  if (metric.unit != "dB") return text + ".";
  return fmt::format("{}: a pixel is off by about {} of 255 steps (root mean square).",
                     text,
                     Short(std::round(2550 * std::pow(10, -floor / 20)) / 10));
}

// The words of a choice: "worst video", and what they mean.
Json FloorValues(const Report& report, const ReportChoice& choice) {
  const MetricInfo metric = MetricOf(report, choice.metric);
  const std::string worst = choice.of_worst_video ? "worst video" : "worst 5 %";
  return {
      {"metric", metric.name},
      {"metric_label", metric.label},
      {"worst_label", fmt::format("{}, {}", worst, metric.label)},
      {"floor_words", FloorWords(choice.floor, metric)},
      {"worst_words",
       choice.of_worst_video ? "The worst of the videos, since they are fewer than 20."
                             : "Of all videos 5 % are worse than this; with its 95 % interval."}};
}

Json Choices(const Report& report) {
  Json choices = Json::array();
  for (const Conclusion& conclusion : report.conclusions) {
    if (conclusion.headline.empty()) continue;
    Json values = {{"headline", OfModel(report, conclusion.model, conclusion.headline)}};
    Json options = Json::array();
    if (const ReportChoice* choice = FindChoice(report, conclusion.model)) {
      values.update(FloorValues(report, *choice));
      int videos = 0;
      for (const ReportOption& option : choice->options) {
        options.push_back(OptionValues(report, *choice, option));
        videos = std::max(videos, option.videos);
      }
      values["video_count"] = fmt::format("{} video{}", videos, videos == 1 ? "" : "s");
    }
    values["any_options"] = !options.empty();
    values["options"] = std::move(options);
    choices.push_back(std::move(values));
  }
  return choices;
}

// What else the choices say.
Json ChoiceTexts(const Report& report) {
  Json texts = Json::array();
  for (const Conclusion& conclusion : report.conclusions) {
    if (!conclusion.headline.empty() && !conclusion.text.empty()) {
      texts.push_back(OfModel(report, conclusion.model, conclusion.text));
    }
  }
  return texts;
}

// Metrics that do not tell the settings of any model apart.
std::vector<MetricInfo> FoldedMetrics(const Report& report) {
  std::vector<MetricInfo> folded;
  for (const MetricInfo& metric : MetricsOf(report)) {
    const bool tells = std::ranges::any_of(report.models, [&](const ReportModel& model) {
      return TellsApart(report, model.name, metric);
    });
    if (!tells && metric.name != report.context.floor.metric) folded.push_back(metric);
  }
  return folded;
}

Json FoldedSentences(const Report& report) {
  Json sentences = Json::array();
  for (const MetricInfo& metric : FoldedMetrics(report)) {
    std::vector<double> means;
    for (const ReportRow& row : report.rows) {
      const ReportMetric* pooled = Find(row.scores, metric.name);
      if (row.policy != "none" && pooled && pooled->mean) means.push_back(*pooled->mean);
    }
    const auto [lo, hi] = std::ranges::minmax(means);
    sentences.push_back(fmt::format(
        "{} does not tell the settings apart: their means lie from {} to {}, with overlapping "
        "intervals. It has no chart and no column here; report.csv has the values.",
        Capital(metric.label),
        Fixed(lo, metric.digits),
        Fixed(hi, metric.digits)));
  }
  return sentences;
}

// What is not met of --require.
Json Breaches(const Report& report) {
  Json texts = Json::array();
  for (const RequirementOutcome& outcome : report.requirements) {
    if (!outcome.met) texts.push_back(outcome.Text());
  }
  return texts;
}

Json OtherConclusions(const Report& report) {
  Json texts = Json::array();
  for (const Conclusion& conclusion : report.conclusions) {
    if (conclusion.headline.empty()) {
      texts.push_back(OfModel(report, conclusion.model, conclusion.text));
    }
  }
  return texts;
}

std::string ElementId(const Figure& figure, const FigureVariant& variant) {
  return "figure-" + figure.id + (variant.id.empty() ? "" : "-" + variant.id);
}

std::string Chart(const Figure& figure) {
  ChartFrame frame = {
      .id = figure.id, .title = figure.title, .caption = figure.caption, .wide = figure.wide};
  frame.data = {{"first", figure.variants[0].id}};
  if (figure.shared_axis) frame.data.emplace_back("shared", "yes");
  if (!figure.model.empty()) frame.data.emplace_back("model", figure.model);
  for (const FigureVariant& variant : figure.variants) {
    if (!figure.shared_axis) frame.variants.emplace_back(variant.id, variant.label);
  }
  return ChartHtml(frame);
}

// The charts beside the choice, the curves, which share an axis, and the others.
enum class ChartGroup { kLead, kCurves, kDetails };

ChartGroup GroupOf(const Figure& figure) {
  return figure.leads         ? ChartGroup::kLead
         : figure.shared_axis ? ChartGroup::kCurves
                              : ChartGroup::kDetails;
}

std::string Charts(const std::vector<Figure>& figures, ChartGroup group) {
  std::string html;
  for (const Figure& figure : figures) {
    if (GroupOf(figure) == group) html += Chart(figure);
  }
  return html;
}

// Data of large reports is packed: opening takes a moment longer, mailing much less.
constexpr size_t kPackedFrom = 1'000'000;

std::string Data(std::string_view id, std::string_view json, bool pack) {
  return pack ? PackedDataElement(id, json) : DataElement(id, json);
}

std::string ReportData(const Report& report) {
  const std::string json = ReportJson(report, -1);
  if (json.size() < kPackedFrom) return DataElement("report-data", json);
  auto packed = nlohmann::ordered_json::parse(json);
  // Every video has a place for every metric: lists of objects with the same members become
  // columns.
  for (auto& row : packed["rows"]) {
    for (auto& video : row["videos"]) {
      auto scores = nlohmann::ordered_json::object();
      for (const MetricInfo& metric : report.metrics) {
        scores[metric.name] = video["scores"].value(metric.name, nlohmann::ordered_json());
      }
      video["scores"] = std::move(scores);
    }
  }
  return PackedDataElement("report-data", ToColumns(std::move(packed)).dump());
}

// The names of settings and policies as findings/labels makes them, for the script.
std::string LabelData(const Report& report) {
  Json rows = Json::object();
  Json policies = Json::object();
  for (const ReportRow& row : report.rows) {
    rows[row.id] = RowLabel(row);
    policies[row.policy] = PolicyLabel(row.policy);
  }
  Json folded = Json::array();
  for (const MetricInfo& metric : FoldedMetrics(report)) folded.push_back(metric.name);
  const Json labels = {
      {"rows", std::move(rows)}, {"policies", std::move(policies)}, {"folded", std::move(folded)}};
  const std::string json = labels.dump(-1, ' ', false, Json::error_handler_t::replace);
  return Data("label-data", json, json.size() >= kPackedFrom / 10);
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
  return EscapeHtml(OfModel(report, row.model, RowLabel(row)));
}

std::vector<std::string> Failures(const Report& report) {
  std::vector<std::string> failures;
  for (const ReportRow& row : report.rows) {
    for (const ReportVideo& video : row.videos) {
      if (video.error.empty()) continue;
      failures.push_back(fmt::format("<li>{}, prompt {}, seed {}: {}</li>\n",
                                     NameOf(report, row),
                                     video.prompt + 1,
                                     video.seed,
                                     EscapeHtml(video.error)));
    }
  }
  return failures;
}

std::vector<std::string> Notes(const Report& report) {
  std::vector<std::string> notes;
  for (const ReportRow& row : report.rows) {
    for (const std::string& note : row.notes) {
      notes.push_back(fmt::format("<li>{}: {}</li>\n", NameOf(report, row), Prose(note)));
    }
  }
  return notes;
}

// What is not as it should be: failed and missing videos, and what a reader must know about rows.
void AddCaveats(const Report& report, Json* values) {
  constexpr size_t kOpen = 12;  // notes that are shown without a click
  const std::vector<std::string> failures = Failures(report);
  const std::vector<std::string> notes = Notes(report);
  (*values)["caveats"] = !failures.empty() || !notes.empty();
  (*values)["failures"] = failures.empty() ? "" : ListItems(failures);
  (*values)["notes"] = notes.empty() ? "" : ListItems(notes);
  (*values)["note_count"] = notes.size();
  (*values)["few_notes"] = notes.size() <= kOpen;
}

std::string Load(const ReportContext& context) {
  if (context.load < 0) return "";
  std::string text = Fixed(context.load, 2) + " at the start";
  if (context.load_end >= 0) text += ", " + Fixed(context.load_end, 2) + " at the end";
  if (context.processors > 0) text += fmt::format(", of {} processors", context.processors);
  return text;
}

// Names and values; what is not known is left out.
Json HowItRan(const Report& report) {
  const ReportContext& context = report.context;
  Json facts = Json::array();
  const auto add = [&facts](const char* name, const std::string& value) {
    if (!value.empty()) facts.push_back({{"name", name}, {"value", value}});
  };
  add("command", fmt::format("{}", fmt::join(context.argv, " ")));
  add("tool",
      context.tool_version + (context.git_commit.empty() ? "" : ", commit " + context.git_commit));
  add("started", context.started);
  if (context.seconds > 0) add("took", fmt::format("{:.0f} s", context.seconds));
  add("machine", context.machine);
  add("system", context.os);
  add("processor", context.cpu);
  add("device", context.device);
  if (context.threads > 0) add("threads", std::to_string(context.threads));
  add("load", Load(context));
  if (context.timed_runs > 0) {
    add("timed runs", fmt::format("{} of every video", context.timed_runs));
  }
  add("scored", context.scored);
  std::vector<std::string> libraries;
  for (const auto& [name, version] : context.libraries) libraries.push_back(name + " " + version);
  add("libraries", fmt::format("{}", fmt::join(libraries, ", ")));
  for (const ReportModel& model : report.models) {
    add("model", model.description);
    add("weights", model.weights_digest);
    add("TeaCache's rule", model.teacache_mode);
  }
  add("seeds", fmt::format("{}", fmt::join(context.seeds, ", ")));
  return facts;
}

Json PromptLists(const ReportContext& context) {
  Json lists = Json::array();
  const auto add = [&lists](const char* title, const std::vector<std::string>& prompts) {
    if (prompts.empty()) return;
    lists.push_back({{"title", title}, {"count", prompts.size()}, {"prompts", prompts}});
  };
  add("Test prompts", context.test_prompts);
  add("Prompts of the fit", context.fit_prompts);
  return lists;
}

Json Definitions(const Report& report) {
  Json definitions = Json::array();
  for (const MetricInfo& metric : report.metrics) {
    definitions.push_back(
        {{"name", metric.name},
         {"label", metric.label},
         {"better", metric.higher_is_better ? "higher" : "lower"},
         {"definition", metric.definition.empty() ? "." : ": " + metric.definition}});
  }
  return definitions;
}

// The axes of the curves that something is known of.
Json Axes(const std::vector<Figure>& figures) {
  Json axes = Json::array();
  std::set<std::string> seen;
  for (const Figure& figure : figures) {
    if (!figure.shared_axis) continue;
    for (const FigureVariant& variant : figure.variants) {
      if (!HasMarks(variant) || !seen.insert(variant.id).second) continue;
      axes.push_back({{"id", variant.id}, {"label", variant.label}});
    }
  }
  return axes;
}

// What the page is.
std::string About(const Report& report) {
  std::vector<std::string> models;
  for (const ReportModel& model : report.models) models.push_back(model.name);
  if (models.size() == 1) {
    return fmt::format(
        "How much faster caches make the model {}, and how much they change its videos.",
        models.front());
  }
  return fmt::format("How much faster caches make {}, and how much they change their videos.",
                     models.empty() ? "video models" : "the models " + Listed(models));
}

std::string Body(const Report& report, const std::vector<Figure>& figures) {
  const auto curves = std::ranges::count(figures, true, &Figure::shared_axis);
  size_t videos = 0;
  for (const ReportRow& row : report.rows) videos += row.videos.size();
  Json values = {{"choices", Choices(report)},
                 {"conclusions", OtherConclusions(report)},
                 {"warnings", report.context.warnings},
                 {"axes", Axes(figures)},
                 {"three", curves > 2 && curves != 4},
                 {"lead_charts", Charts(figures, ChartGroup::kLead)},
                 {"quality_charts", Charts(figures, ChartGroup::kCurves)},
                 {"detail_charts", Charts(figures, ChartGroup::kDetails)},
                 {"settings", report.rows.size()},
                 {"videos", videos},
                 {"context", HowItRan(report)},
                 {"prompt_lists", PromptLists(report.context)},
                 {"definitions", Definitions(report)}};
  values["texts"] = ChoiceTexts(report);
  values["folded"] = FoldedSentences(report);
  values["about"] = About(report);
  values["breaches"] = Breaches(report);
  values["any_why"] = !values["texts"].empty() || !values["conclusions"].empty() ||
                      !report.context.warnings.empty() || !values["breaches"].empty();
  const ReportFloor& floor = report.context.floor;
  const ReportChoice none{"", floor.metric, floor.value, true, {}};
  values.update(FloorValues(report, report.choices.empty() ? none : report.choices.front()));
  values["any_axes"] = !values["axes"].empty();
  AddCaveats(report, &values);
  return FillTemplate(embedded::report_html(), values);
}

}  // namespace

std::string HtmlReport(const Report& report, const HtmlReportOptions& options) {
  const std::vector<Figure> figures = ReportFigures(report);
  HtmlPage page;
  page.title = ReportTitle(report);
  page.facts = Facts(report);
  page.body = Body(report, figures);
  page.data = ReportData(report) + LabelData(report) + FigureData(figures);
  if (!options.embed_videos_of.empty()) {
    page.data += EmbeddedVideos(report, options.embed_videos_of);
  }
  page.style = embedded::report_css();
  page.script = embedded::report_js();
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
  AtomicWriteFile(folder + "/report.tex", PaperTableLatex(report));
  WriteHtmlReport(folder + "/report.html", report, {.embed_videos_of = embed_videos ? folder : ""});
}

}  // namespace teacache
