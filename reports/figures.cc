#include "reports/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "calib/polynomial.h"
#include "reports/labels.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

struct PolicyStyle {
  std::string_view policy;
  const char* color;  // readable on white and on near-black
  const char* symbol;
  const char* dash;
};

constexpr std::array<PolicyStyle, 6> kStyles = {{
    {"teacache", "#2f7fe0", "circle", "solid"},
    {"uniform", "#e8762c", "square", "dash"},
    {"mask", "#22a06b", "diamond", "dot"},
    {"steps", "#9a5fd0", "triangle-up", "dashdot"},
    {"magcache", "#c2478f", "cross", "longdash"},
    {"none", "#8a93a0", "star", "solid"},
}};

const PolicyStyle& StyleOf(std::string_view policy) {
  const auto found = std::ranges::find(kStyles, policy, &PolicyStyle::policy);
  return found == kStyles.end() ? kStyles.back() : *found;
}

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json Number(std::optional<double> value) { return value ? Number(*value) : Json(nullptr); }

struct MetricKind {
  std::string_view name;
  const char* label;
  const char* axis;
  int digits;
  std::optional<SweepMetric> SweepRow::*row;
  std::optional<double> SweepVideo::*video;
  std::optional<SweepDifference> SweepComparison::*difference;
};

constexpr std::array<MetricKind, 3> kMetrics = {{
    {"psnr", "PSNR", "PSNR, dB", 1, &SweepRow::psnr, &SweepVideo::psnr, &SweepComparison::psnr},
    {"ssim", "SSIM", "SSIM", 4, &SweepRow::ssim, &SweepVideo::ssim, &SweepComparison::ssim},
    {"lpips",
     "LPIPS",
     "LPIPS (lower is better)",
     4,
     &SweepRow::lpips,
     &SweepVideo::lpips,
     &SweepComparison::lpips},
}};

const MetricKind& KindOf(std::string_view name) {
  return *std::ranges::find(kMetrics, name, &MetricKind::name);
}

bool HasMetric(const SweepReport& report, const MetricKind& kind) {
  return std::ranges::any_of(
      report.rows, [&kind](const SweepRow& row) { return row.*kind.row && (row.*kind.row)->mean; });
}

// Rows that belong to one line of a chart: same model, policy and coefficient set.
struct Series {
  std::string name;
  std::string policy;
  std::vector<const SweepRow*> rows;
};

std::vector<Series> SeriesOf(const SweepReport& report,
                             const std::function<bool(const SweepRow&)>& wanted) {
  std::vector<Series> all;
  for (const SweepRow& row : report.rows) {
    if (!wanted(row)) continue;
    std::string name = PolicyLabel(row.policy);
    if (report.fits.size() > 1 && !row.fit.empty()) name += ", " + row.fit;
    if (report.models.size() > 1) name = fmt::format("{}: {}", row.model, name);
    auto found = std::ranges::find(all, name, &Series::name);
    if (found == all.end()) found = all.insert(all.end(), {name, row.policy, {}});
    found->rows.push_back(&row);
  }
  return all;
}

Json Axis(const std::string& title) { return {{"title", {{"text", title}}}, {"automargin", true}}; }

Json Layout(const std::string& x, const std::string& y) {
  return {{"xaxis", Axis(x)},
          {"yaxis", Axis(y)},
          {"margin", {{"l", 60}, {"r", 16}, {"t", 10}, {"b", 52}}},
          {"showlegend", false},  // the page writes its own
          {"hovermode", "closest"}};
}

std::string Dump(const Json& data, const Json& layout) {
  return Json{{"data", data}, {"layout", layout}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

// Distances from `middle` to the ends of the interval, as plotly's asymmetric error bars want them.
void AddError(Json* bars, double middle, const std::optional<SweepInterval>& interval) {
  (*bars)["array"].push_back(interval ? Number(std::max(0.0, interval->hi - middle))
                                      : Json(nullptr));
  (*bars)["arrayminus"].push_back(interval ? Number(std::max(0.0, middle - interval->lo))
                                           : Json(nullptr));
}

Json ErrorBars(const char* color) {
  return {{"type", "data"},
          {"symmetric", false},
          {"array", Json::array()},
          {"arrayminus", Json::array()},
          {"color", color},
          {"thickness", 1.2},
          {"width", 3}};
}

std::string RowHover(const SweepRow& row) {
  return fmt::format(
      "<b>{}</b><br>{} of {} calls computed<br>speed-up {}<br>PSNR {}<br>SSIM {}<br>LPIPS {}",
      RowLabel(row),
      Fixed(row.computed_mean, 1),
      row.calls,
      SpeedupText(row.speedup_total),
      MetricText(row.psnr, 1, " dB"),
      MetricText(row.ssim, 4),
      MetricText(row.lpips, 4));
}

Json QualityTrace(const Series& series, const MetricKind& kind, bool against_calls) {
  const PolicyStyle& style = StyleOf(series.policy);
  Json trace = {{"type", "scatter"},
                {"mode", "lines+markers"},
                {"name", series.name},
                {"x", Json::array()},
                {"y", Json::array()},
                {"text", Json::array()},
                {"customdata", Json::array()},
                {"hovertemplate", "%{text}<extra></extra>"},
                {"line", {{"color", style.color}, {"dash", style.dash}, {"width", 2}}},
                {"marker", {{"color", style.color}, {"symbol", style.symbol}, {"size", 8}}},
                {"error_x", ErrorBars(style.color)},
                {"error_y", ErrorBars(style.color)}};
  std::vector<const SweepRow*> rows = series.rows;
  std::ranges::stable_sort(rows, {}, &SweepRow::computed_mean);
  for (const SweepRow* row : rows) {
    const SweepMetric& metric = *(row->*kind.row);
    const double x =
        against_calls ? 100.0 * row->computed_mean / row->calls : row->speedup_total.value;
    trace["x"].push_back(Number(x));
    trace["y"].push_back(Number(metric.mean));
    trace["text"].push_back(RowHover(*row));
    trace["customdata"].push_back(row->id);
    AddError(&trace["error_x"], x, against_calls ? std::nullopt : row->speedup_total.ci95);
    AddError(&trace["error_y"], *metric.mean, metric.ci95);
  }
  return trace;
}

std::string QualityJson(const SweepReport& report, const MetricKind& kind, bool against_calls) {
  const auto wanted = [&kind](const SweepRow& row) {
    return row.policy != "none" && row.*kind.row && (row.*kind.row)->mean && row.calls > 0;
  };
  Json data = Json::array();
  for (const Series& series : SeriesOf(report, wanted)) {
    data.push_back(QualityTrace(series, kind, against_calls));
  }
  Json layout = Layout(against_calls ? "computed calls, %" : "speed-up, end to end", kind.axis);
  if (!against_calls) layout["xaxis"]["ticksuffix"] = "×";
  return Dump(data, layout);
}

// Thresholds as they are written, so that they can label a categorical axis.
std::string ThresholdLabel(const SweepReport& report, const SweepRow& row) {
  std::string label = row.threshold ? Short(*row.threshold) : row.id;
  if (report.fits.size() > 1) label += " " + row.fit;
  if (report.models.size() > 1) label += " " + row.model;
  return label;
}

// RowLabel, with coefficient set and model where the report has several.
std::string RowName(const SweepReport& report, const SweepRow& row) {
  std::string name = RowLabel(row);
  if (report.fits.size() > 1 && !row.fit.empty()) name += ", " + row.fit;
  return report.models.size() > 1 ? fmt::format("{}: {}", row.model, name) : name;
}

// What the difference chart is drawn in: PSNR where any comparison has it.
const MetricKind* DifferenceKind(const SweepReport& report) {
  for (const MetricKind& kind : kMetrics) {
    if (std::ranges::any_of(report.comparisons, [&kind](const SweepComparison& comparison) {
          return (comparison.*kind.difference).has_value();
        })) {
      return &kind;
    }
  }
  return nullptr;
}

Json DifferenceTrace(const SweepReport& report, const MetricKind& kind, const std::string& policy) {
  const PolicyStyle& style = StyleOf(policy);
  Json trace = {{"type", "scatter"},
                {"mode", "markers"},
                {"name", "TeaCache − " + PolicyLabel(policy)},
                {"x", Json::array()},
                {"y", Json::array()},
                {"text", Json::array()},
                {"customdata", Json::array()},
                {"hovertemplate", "%{text}<extra></extra>"},
                {"marker", {{"color", style.color}, {"symbol", style.symbol}, {"size", 9}}},
                {"error_y", ErrorBars(style.color)}};
  for (const SweepComparison& comparison : report.comparisons) {
    const SweepRow* a = FindRow(report, comparison.a);
    const SweepRow* b = FindRow(report, comparison.b);
    const auto& difference = comparison.*kind.difference;
    if (!a || !b || b->policy != policy || !difference) continue;
    trace["x"].push_back(ThresholdLabel(report, *a));
    trace["y"].push_back(Number(difference->mean));
    trace["text"].push_back(
        fmt::format("<b>{}</b> − {}<br>{} {} ({} to {})<br>{} videos, {} against {} computed calls",
                    RowLabel(*a),
                    RowLabel(*b),
                    kind.label,
                    Signed(difference->mean, kind.digits),
                    Signed(difference->ci95.lo, kind.digits),
                    Signed(difference->ci95.hi, kind.digits),
                    difference->n,
                    Fixed(a->computed_mean, 1),
                    Fixed(b->computed_mean, 1)));
    trace["customdata"].push_back(a->id);
    AddError(&trace["error_y"], difference->mean, difference->ci95);
  }
  return trace;
}

// Share of good videos of `row` that computed each call.
std::vector<double> ComputedShare(const SweepRow& row) {
  std::vector<double> share(row.calls, 0.0);
  int videos = 0;
  for (const SweepVideo& video : row.videos) {
    if (!video.error.empty() || static_cast<int>(video.computed.size()) != row.calls) continue;
    ++videos;
    for (int call = 0; call < row.calls; ++call) share[call] += video.computed[call];
  }
  for (double& value : share) value /= std::max(videos, 1);
  return videos > 0 ? share : std::vector<double>();
}

// Rows of the skip map from bottom to top: baselines below, TeaCache above, each by computed calls.
std::vector<const SweepRow*> SkipMapRows(const SweepReport& report) {
  std::vector<const SweepRow*> rows;
  for (const SweepRow& row : report.rows) {
    if (row.policy != "none" && row.policy != "steps" && !ComputedShare(row).empty()) {
      rows.push_back(&row);
    }
  }
  std::ranges::stable_sort(rows, [](const SweepRow* a, const SweepRow* b) {
    const bool a_teacache = a->policy == "teacache";
    const bool b_teacache = b->policy == "teacache";
    if (a_teacache != b_teacache) return b_teacache;
    if (a->policy != b->policy) return a->policy > b->policy;
    return a->computed_mean < b->computed_mean;
  });
  return rows;
}

Json PolynomialTrace(const SweepFit& fit) {
  constexpr int kPoints = 121;
  const Polynomial polynomial(fit.coefficients);
  Json trace = {{"type", "scatter"},
                {"mode", "lines"},
                {"name", fmt::format("polynomial, degree {}", polynomial.degree())},
                {"x", Json::array()},
                {"y", Json::array()},
                {"hoverinfo", "skip"},
                {"line", {{"color", "#e8762c"}, {"width", 3}}}};
  for (int i = 0; i < kPoints; ++i) {
    const double x = fit.x_range.lo + (fit.x_range.hi - fit.x_range.lo) * i / (kPoints - 1);
    trace["x"].push_back(Number(x));
    trace["y"].push_back(Number(polynomial(x)));
  }
  return trace;
}

Json PairsTrace(const SweepFit& fit) {
  Json trace = {
      {"type", "scatter"},
      {"mode", "markers"},
      {"name", "recorded pairs"},
      {"x", Json::array()},
      {"y", Json::array()},
      {"text", Json::array()},
      {"hovertemplate", "call %{marker.color}%{text}<br>x %{x:.4f}, y %{y:.4f}<extra></extra>"},
      {"marker",
       {{"color", Json::array()},
        {"colorscale", {{0, "#174a8c"}, {0.5, "#2fa4a0"}, {1, "#c9d64a"}}},
        {"colorbar", {{"title", {{"text", "call"}}}, {"thickness", 10}, {"outlinewidth", 0}}},
        {"size", 6},
        {"opacity", 0.75}}}};
  for (const SweepPair& pair : fit.pairs) {
    trace["x"].push_back(Number(pair.x));
    trace["y"].push_back(Number(pair.y));
    trace["text"].push_back(pair.prompt >= 0 ? fmt::format(", prompt {}", pair.prompt + 1) : "");
    trace["marker"]["color"].push_back(pair.call);
  }
  return trace;
}

std::string FitCaption(const SweepFit& fit) {
  std::string text = fmt::format(
      "Relative change of the modulated input against that of the blocks' residual, {} pairs of "
      "neighbouring calls.",
      fit.pairs.size());
  if (fit.pearson) text += fmt::format(" Pearson {}.", Fixed(fit.pearson, 3));
  if (fit.r2) text += fmt::format(" R² {}.", Fixed(fit.r2, 3));
  text += fmt::format(" Valid for x from {} to {}.", Short(fit.x_range.lo), Short(fit.x_range.hi));
  text += " Coefficients, highest power first:";
  for (const double c : fit.coefficients) text += fmt::format(" {:.6g}", c);
  return text + ".";
}

std::string VideoHover(const SweepReport& report, const SweepRow& row, const SweepVideo& video) {
  const auto& prompts = report.context.test_prompts;
  const bool known = video.prompt >= 0 && video.prompt < static_cast<int>(prompts.size());
  return fmt::format(
      "<b>{}</b><br>{}, seed {}<br>{} of {} calls computed",
      RowLabel(row),
      known ? EscapeHtml(prompts[video.prompt]) : fmt::format("prompt {}", video.prompt + 1),
      video.seed,
      std::ranges::count(video.computed, true),
      video.computed.size());
}

// Baselines stand beside the TeaCache setting that they match.
std::string SpreadGroup(const SweepReport& report, const SweepRow& row) {
  const SweepRow* matched = row.matches.empty() ? nullptr : FindRow(report, row.matches);
  return matched ? ThresholdLabel(report, *matched) : ThresholdLabel(report, row);
}

Json SpreadTrace(const SweepReport& report, const Series& series, const MetricKind& kind) {
  const PolicyStyle& style = StyleOf(series.policy);
  Json trace = {
      {"type", "box"},
      {"name", series.name},
      {"x", Json::array()},
      {"y", Json::array()},
      {"text", Json::array()},
      {"customdata", Json::array()},
      {"hovertemplate", "%{text}<br>%{y:.2f}<extra></extra>"},
      {"boxpoints", "all"},
      {"jitter", 0.5},
      {"pointpos", 0},
      {"fillcolor", "rgba(128,128,128,0.10)"},
      {"line", {{"color", style.color}, {"width", 1.2}}},
      {"marker",
       {{"color", style.color}, {"symbol", style.symbol}, {"size", 5}, {"opacity", 0.7}}}};
  for (const SweepRow* row : series.rows) {
    for (const SweepVideo& video : row->videos) {
      if (!video.error.empty() || !(video.*kind.video)) continue;
      trace["x"].push_back(SpreadGroup(report, *row));
      trace["y"].push_back(Number(video.*kind.video));
      trace["text"].push_back(VideoHover(report, *row, video));
      trace["customdata"].push_back({row->id, video.prompt, video.seed});
    }
  }
  return trace;
}

// A y axis with one line per row. Rows are numbered, since two of them may have the same label.
Json RowAxis(const SweepReport& report, const std::vector<const SweepRow*>& rows) {
  Json axis = {{"automargin", true},
               {"tickmode", "array"},
               {"tickvals", Json::array()},
               {"ticktext", Json::array()},
               {"showgrid", false}};
  for (size_t i = 0; i < rows.size(); ++i) {
    axis["tickvals"].push_back(i);
    axis["ticktext"].push_back(RowName(report, *rows[i]));
  }
  return axis;
}

Json TimeTrace(const SweepReport& report,
               const std::string& name,
               const char* color,
               const std::vector<const SweepRow*>& rows,
               const std::function<double(const SweepRow&)>& seconds) {
  Json trace = {{"type", "bar"},
                {"orientation", "h"},
                {"name", name},
                {"x", Json::array()},
                {"y", Json::array()},
                {"hovertext", Json::array()},
                {"customdata", Json::array()},
                {"hovertemplate", "%{hovertext}<br>" + name + " %{x:.3f} s<extra></extra>"},
                {"marker", {{"color", color}}}};
  for (const SweepRow* row : rows) {
    trace["x"].push_back(Number(std::max(0.0, seconds(*row))));
    trace["y"].push_back(trace["y"].size());
    trace["hovertext"].push_back(RowName(report, *row));
    trace["customdata"].push_back(row->id);
  }
  return trace;
}

// TeaCache and the uncached runs, fastest below as in the table read upwards.
std::vector<const SweepRow*> TimedRows(const SweepReport& report) {
  std::vector<const SweepRow*> rows;
  for (const SweepRow& row : report.rows) {
    if (row.total.n > 0 && (row.policy == "none" || row.policy == "teacache")) rows.push_back(&row);
  }
  std::ranges::reverse(rows);
  return rows;
}

}  // namespace

Figure QualityFigure(const SweepReport& report, const std::string& metric) {
  const MetricKind& kind = KindOf(metric);
  Figure figure;
  figure.id = "quality-" + metric;
  figure.title = fmt::format("{} against speed", kind.label);
  figure.caption = fmt::format(
      "Mean {} against the uncached videos; bars are 95 % intervals. A point further {} and to the "
      "right is better; a click selects the setting.",
      kind.label,
      metric == "lpips" ? "down" : "up");
  figure.json = QualityJson(report, kind, false);
  figure.calls_json = QualityJson(report, kind, true);
  return figure;
}

Figure DifferenceFigure(const SweepReport& report) {
  const MetricKind& kind = *DifferenceKind(report);
  Figure figure;
  figure.id = "difference";
  figure.title = "TeaCache against the baselines at equal calls";
  figure.caption = fmt::format(
      "Mean difference in {} over the same videos, computed calls being equal, with 95 % bootstrap "
      "intervals. Above zero TeaCache is better; an interval that touches zero decides nothing.",
      kind.label);
  if (kind.name == "lpips") {
    figure.caption =
        "Mean difference in LPIPS at equal computed calls; below zero TeaCache is better.";
  }
  Json data = Json::array();
  for (const PolicyStyle& style : kStyles) {
    Json trace = DifferenceTrace(report, kind, std::string(style.policy));
    if (!trace["x"].empty()) data.push_back(std::move(trace));
  }
  Json layout = Layout("threshold", fmt::format("difference in {}", kind.axis));
  layout["xaxis"]["type"] = "category";
  layout["yaxis"]["zeroline"] = true;
  if (data.size() > 1) layout["scattermode"] = "group";
  figure.json = Dump(data, layout);
  return figure;
}

Figure SkipMapFigure(const SweepReport& report) {
  Figure figure;
  figure.id = "skip-map";
  figure.title = "Which calls are computed";
  figure.caption =
      "Every line is a setting, every column a transformer call; the fuller the colour, the larger "
      "the "
      "share of videos in which the call was computed. The others were taken from the cache.";
  const std::vector<const SweepRow*> rows = SkipMapRows(report);
  Json trace = {{"type", "heatmap"},
                {"x", Json::array()},
                {"y", Json::array()},
                {"z", Json::array()},
                {"zmin", 0},
                {"zmax", 1},
                {"xgap", 1},
                {"ygap", 2},
                {"colorscale", {{0, "rgba(47,127,224,0.10)"}, {1, "rgba(47,127,224,1)"}}},
                {"colorbar", {{"tickformat", ".0%"}, {"thickness", 10}, {"outlinewidth", 0}}},
                {"text", Json::array()},
                {"customdata", Json::array()},
                {"hovertemplate", "%{text}<br>call %{x}: computed in %{z:.0%}<extra></extra>"}};
  int calls = 0;
  for (const SweepRow* row : rows) calls = std::max(calls, row->calls);
  for (int call = 0; call < calls; ++call) trace["x"].push_back(call);
  for (const SweepRow* row : rows) {
    Json line = Json::array();
    for (const double share : ComputedShare(*row)) line.push_back(share);
    trace["y"].push_back(trace["y"].size());
    trace["text"].push_back(std::vector<std::string>(row->calls, RowName(report, *row)));
    trace["z"].push_back(std::move(line));
    trace["customdata"].push_back(std::vector<std::string>(row->calls, row->id));
  }
  Json layout = Layout("transformer call", "");
  layout["xaxis"]["showgrid"] = false;
  layout["yaxis"] = RowAxis(report, rows);
  layout["height"] = std::max<int>(320, 110 + 22 * static_cast<int>(rows.size()));
  figure.json = Dump(Json::array({trace}), layout);
  figure.wide = true;
  return figure;
}

Figure FitFigure(const SweepReport& report, const SweepFit& fit) {
  Figure figure;
  figure.id = report.fits.size() > 1 ? "fit-" + fit.model + "-" + fit.name : "fit";
  figure.title =
      report.fits.size() > 1 ? fmt::format("Fit: {} {}", fit.model, fit.name) : "The fit";
  figure.caption = FitCaption(fit);
  Json data = Json::array();
  if (!fit.pairs.empty()) data.push_back(PairsTrace(fit));
  data.push_back(PolynomialTrace(fit));
  figure.json = Dump(data, Layout("change of the modulated input, x", "change of the residual, y"));
  return figure;
}

Figure SpreadFigure(const SweepReport& report) {
  const MetricKind& kind = HasMetric(report, KindOf("psnr")) ? KindOf("psnr") : KindOf("ssim");
  Figure figure;
  figure.id = "spread";
  figure.title = fmt::format("{} of every video", kind.label);
  figure.caption =
      "One mark per video, with the quartiles. Baselines stand beside the TeaCache threshold whose "
      "computed calls they were given; a click shows the video.";
  Json data = Json::array();
  const auto wanted = [](const SweepRow& row) { return row.policy != "none"; };
  for (const Series& series : SeriesOf(report, wanted)) {
    Json trace = SpreadTrace(report, series, kind);
    if (!trace["x"].empty()) data.push_back(std::move(trace));
  }
  Json layout = Layout("threshold", kind.axis);
  layout["xaxis"]["type"] = "category";
  layout["boxmode"] = "group";
  figure.json = Dump(data, layout);
  return figure;
}

Figure TimeFigure(const SweepReport& report) {
  Figure figure;
  figure.id = "time";
  figure.title = "Where the time goes";
  figure.caption =
      "Median seconds per video. Only the transformer gets faster; decoding and the rest bound the "
      "speed-up.";
  const std::vector<const SweepRow*> rows = TimedRows(report);
  Json data = Json::array();
  data.push_back(TimeTrace(report, "transformer", "#2f7fe0", rows, [](const SweepRow& row) {
    return row.transformer.median;
  }));
  data.push_back(TimeTrace(
      report, "decoding", "#e0a52c", rows, [](const SweepRow& row) { return row.decode.median; }));
  data.push_back(TimeTrace(report, "rest", "#8a93a0", rows, [](const SweepRow& row) {
    return row.total.median - row.transformer.median - row.decode.median;
  }));
  Json layout = Layout("seconds per video", "");
  layout["barmode"] = "stack";
  layout["yaxis"] = RowAxis(report, rows);
  figure.json = Dump(data, layout);
  return figure;
}

std::vector<Figure> ReportFigures(const SweepReport& report) {
  std::vector<Figure> figures;
  for (const MetricKind& kind : kMetrics) {
    if (HasMetric(report, kind)) figures.push_back(QualityFigure(report, std::string(kind.name)));
  }
  if (DifferenceKind(report)) figures.push_back(DifferenceFigure(report));
  if (HasMetric(report, KindOf("psnr")) || HasMetric(report, KindOf("ssim"))) {
    figures.push_back(SpreadFigure(report));
  }
  if (!SkipMapRows(report).empty()) figures.push_back(SkipMapFigure(report));
  for (const SweepFit& fit : report.fits) {
    if (!fit.coefficients.empty()) figures.push_back(FitFigure(report, fit));
  }
  if (!TimedRows(report).empty()) figures.push_back(TimeFigure(report));
  return figures;
}

}  // namespace teacache
