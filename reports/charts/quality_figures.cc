// Charts of what the settings cost in quality.
#include <fmt/format.h>

#include <algorithm>

#include "reports/charts/figure_parts.h"
#include "reports/findings/labels.h"
#include "reports/kit/html_page.h"

namespace teacache {
namespace {

using Json = FigureJson;

constexpr size_t kMostBars = 2000;      // points with error bars in one chart
constexpr size_t kMostThresholds = 60;  // on one axis of thresholds

bool Drawn(const ReportRow& row, const MetricInfo& metric) {
  const ReportMetric* pooled = Find(row.scores, metric.name);
  return row.policy != "none" && pooled && pooled->mean;
}

size_t Points(const Report& report, const MetricInfo& metric) {
  return std::ranges::count_if(report.rows,
                               [&metric](const ReportRow& row) { return Drawn(row, metric); });
}

Json QualityTrace(const FigureSeries& series,
                  const MetricInfo& metric,
                  bool against_calls,
                  bool bars) {
  Json trace = Trace("scatter", series.name);
  // Thousands of marks are a blot and cost seconds; points of a line can be hovered as well.
  trace["mode"] = bars ? "lines+markers" : "lines";
  trace["meta"] = {{"model", series.model}};
  SetStyle(series, 8, &trace);
  if (bars) {
    trace["error_x"] = ErrorBars(series.color);
    trace["error_y"] = ErrorBars(series.color);
  }
  std::vector<const ReportRow*> rows = series.rows;
  std::ranges::stable_sort(rows, {}, &ReportRow::computed_mean);
  for (const ReportRow* row : rows) {
    const ReportMetric& pooled = *Find(row->scores, metric.name);
    const double x =
        against_calls ? 100.0 * row->computed_mean / row->calls : row->speedup_total.value;
    trace["x"].push_back(Number(x));
    trace["y"].push_back(Number(pooled.mean));
    trace["customdata"].push_back(row->id);
    if (!bars) continue;
    AddError(&trace["error_x"], x, against_calls ? std::nullopt : row->speedup_total.ci95);
    AddError(&trace["error_y"], *pooled.mean, pooled.ci95);
  }
  return trace;
}

// Below the curves: a broad pale line through the settings that no other one beats, and a ring
// around its knee.
void AddFront(const Report& report,
              const RowIndex& index,
              const ReportFront& front,
              const MetricInfo& metric,
              Json* data) {
  const std::string prefix = report.models.size() > 1 ? front.model + ": " : "";
  Json line = Trace("scatter", prefix + "Pareto front");
  line["mode"] = "lines";
  line["meta"] = {{"model", front.model}};
  line["hoverinfo"] = "skip";
  line["line"] = {{"color", "rgba(201,150,20,0.40)"}, {"width", 9}};
  Json knee = Trace("scatter", prefix + "knee");
  knee["mode"] = "markers+text";
  knee["meta"] = {{"model", front.model}};
  knee["hoverinfo"] = "skip";
  knee["text"] = {"knee"};
  knee["textposition"] = "top right";
  knee["cliponaxis"] = false;
  knee["marker"] = {{"symbol", "circle-open"},
                    {"size", 17},
                    {"color", "#b8860b"},
                    {"line", {{"width", 2.5}, {"color", "#b8860b"}}}};
  for (const std::string& id : front.rows) {
    const ReportRow* row = At(index, id);
    if (!row || !Drawn(*row, metric)) continue;
    line["x"].push_back(Number(row->speedup_total.value));
    line["y"].push_back(Number(Find(row->scores, metric.name)->mean));
    if (id != front.knee) continue;
    knee["x"].push_back(Number(row->speedup_total.value));
    knee["y"].push_back(Number(Find(row->scores, metric.name)->mean));
  }
  line.erase("customdata");
  knee.erase("customdata");
  if (line["x"].size() > 1) data->insert(data->begin(), std::move(line));
  if (!knee["x"].empty()) data->push_back(std::move(knee));
}

std::string QualityJson(const Report& report, const MetricInfo& metric, bool against_calls) {
  const bool bars = Points(report, metric) <= kMostBars;
  const auto wanted = [&](const ReportRow& row) {
    return Drawn(row, metric) && (against_calls ? row.calls > 0 : row.speedup_total.value > 0);
  };
  Json data = Json::array();
  for (const FigureSeries& series : SeriesOf(report, wanted)) {
    data.push_back(QualityTrace(series, metric, against_calls, bars));
  }
  if (!against_calls) {
    const RowIndex index = IndexRows(report);
    for (const ReportFront& front : report.fronts) {
      if (front.metric == metric.name) AddFront(report, index, front, metric, &data);
    }
  }
  Json layout =
      Layout(against_calls ? "computed calls, %" : "speed-up, end to end", MetricTitle(metric));
  if (!against_calls) layout["xaxis"]["ticksuffix"] = "×";
  return Dump(data, layout);
}

// TeaCache rows of a model that have something to be compared with, by threshold; so many that
// their labels can be read.
std::vector<const ReportRow*> ComparedRows(const Report& report,
                                           const RowIndex& index,
                                           const std::string& model) {
  std::vector<const ReportRow*> rows;
  for (const ReportComparison& comparison : report.comparisons) {
    const ReportRow* row = At(index, comparison.a);
    if (row && row->model == model && (rows.empty() || rows.back() != row)) rows.push_back(row);
  }
  std::ranges::stable_sort(rows, [](const ReportRow* a, const ReportRow* b) {
    return std::pair(a->threshold, std::string_view(a->fit)) <
           std::pair(b->threshold, std::string_view(b->fit));
  });
  const auto same = std::ranges::unique(rows);
  rows.erase(same.begin(), same.end());
  return EvenlyPicked(rows, kMostThresholds);
}

// An axis with a place for every compared row, "0.1" above "12.4 calls". Series stand side by side
// around the place: drawing them at numbers keeps the y axis free, which grouped categories do not.
FigureJson PlaceAxis(const Report& report, const std::vector<const ReportRow*>& rows) {
  Json axis = Axis("threshold and computed calls");
  axis["tickmode"] = "array";
  axis["tickvals"] = Json::array();
  axis["ticktext"] = Json::array();
  axis["showgrid"] = false;
  axis["range"] = {-0.5, static_cast<double>(rows.size()) - 0.5};
  const size_t step = rows.size() / 16 + 1;
  for (size_t i = 0; i < rows.size(); i += step) {
    axis["tickvals"].push_back(i);
    axis["ticktext"].push_back(fmt::format("{}<br>{} calls",
                                           EscapeHtml(ThresholdLabel(report, *rows[i])),
                                           Fixed(rows[i]->computed_mean, 1)));
  }
  return axis;
}

double Place(const std::vector<const ReportRow*>& rows,
             const ReportRow* row,
             size_t series,
             size_t all_series) {
  const auto place = std::ranges::find(rows, row) - rows.begin();
  const double step = 0.7 / static_cast<double>(std::max<size_t>(all_series, 2));
  return static_cast<double>(place) +
         step * (static_cast<double>(series) - (static_cast<double>(all_series) - 1) / 2);
}

std::string EqualCallsJson(const Report& report,
                           const RowIndex& index,
                           const std::vector<const ReportRow*>& rows,
                           const MetricInfo& metric) {
  const auto wanted = [&](const ReportRow& row) {
    if (!Drawn(row, metric)) return false;
    const ReportRow* at = row.matches.empty() ? &row : At(index, row.matches);
    return std::ranges::find(rows, at) != rows.end();
  };
  Json data = Json::array();
  const std::vector<FigureSeries> all = SeriesOf(report, wanted);
  for (const FigureSeries& series : all) {
    Json trace = Trace("scatter", series.name);
    trace["mode"] = "markers";
    SetStyle(series, 9, &trace);
    trace.erase("line");
    trace["error_y"] = ErrorBars(series.color);
    for (const ReportRow* row : series.rows) {
      const ReportMetric& pooled = *Find(row->scores, metric.name);
      const ReportRow* at = row->matches.empty() ? row : At(index, row->matches);
      trace["x"].push_back(Place(rows, at, data.size(), all.size()));
      trace["y"].push_back(Number(pooled.mean));
      trace["customdata"].push_back(row->id);
      AddError(&trace["error_y"], *pooled.mean, pooled.ci95);
    }
    data.push_back(std::move(trace));
  }
  Json layout = Layout("", MetricTitle(metric));
  layout["xaxis"] = PlaceAxis(report, rows);
  return Dump(data, layout);
}

std::string DifferenceJson(const Report& report,
                           const RowIndex& index,
                           const std::vector<const ReportRow*>& rows,
                           const MetricInfo& metric) {
  const auto compared = [&](const ReportComparison& comparison) {
    return comparison.differences.contains(metric.name) &&
           std::ranges::find(rows, At(index, comparison.a)) != rows.end();
  };
  std::map<const ReportRow*, const ReportComparison*> by_baseline;
  for (const ReportComparison& comparison : report.comparisons) {
    const ReportRow* b = At(index, comparison.b);
    if (b && compared(comparison)) by_baseline.emplace(b, &comparison);
  }
  const auto wanted = [&](const ReportRow& row) { return by_baseline.contains(&row); };
  Json data = Json::array();
  const std::vector<FigureSeries> all = SeriesOf(report, wanted);
  for (const FigureSeries& series : all) {
    Json trace = Trace("scatter", "TeaCache − " + series.name);
    trace["mode"] = "markers";
    SetStyle(series, 9, &trace);
    trace.erase("line");
    trace["error_y"] = ErrorBars(series.color);
    trace["hovertemplate"] = "%{text}<extra></extra>";
    trace["text"] = Json::array();
    for (const ReportRow* b : series.rows) {
      const ReportComparison& comparison = *by_baseline.at(b);
      const ReportRow* a = At(index, comparison.a);
      const ReportDifference& difference = comparison.differences.at(metric.name);
      const double sign = metric.higher_is_better ? 1 : -1;
      const char* word = sign * difference.ci95.lo > 0 && sign * difference.ci95.hi > 0 ? "better"
                         : sign * difference.ci95.lo < 0 && sign * difference.ci95.hi < 0
                             ? "worse"
                             : "no clear difference";
      trace["x"].push_back(Place(rows, a, data.size(), all.size()));
      trace["y"].push_back(Number(difference.mean));
      trace["customdata"].push_back(a->id);
      trace["text"].push_back(
          fmt::format("<b>{}</b> − {}<br>{} {} ({} to {}): {}<br>{} videos, {} "
                      "against {} computed calls",
                      EscapeHtml(RowLabel(*a)),
                      EscapeHtml(RowLabel(*b)),
                      metric.label,
                      Signed(difference.mean, metric.digits),
                      Signed(difference.ci95.lo, metric.digits),
                      Signed(difference.ci95.hi, metric.digits),
                      word,
                      difference.n,
                      Fixed(comparison.computed_a, 1),
                      Fixed(comparison.computed_b, 1)));
      AddError(&trace["error_y"], difference.mean, difference.ci95);
    }
    data.push_back(std::move(trace));
  }
  Json layout = Layout("", fmt::format("difference in {}", MetricTitle(metric)));
  layout["xaxis"] = PlaceAxis(report, rows);
  layout["yaxis"]["zeroline"] = true;
  return Dump(data, layout);
}

// Baselines stand beside the TeaCache setting that they match.
const ReportRow& SpreadGroup(const RowIndex& index, const ReportRow& row) {
  const ReportRow* matched = row.matches.empty() ? nullptr : At(index, row.matches);
  return matched ? *matched : row;
}

std::string SpreadJson(const Report& report,
                       const RowIndex& index,
                       const std::vector<const ReportRow*>& groups,
                       const MetricInfo& metric) {
  constexpr size_t kMostPoints = 4000;
  size_t points = 0;
  const auto wanted = [&](const ReportRow& row) {
    return row.policy != "none" &&
           std::ranges::find(groups, &SpreadGroup(index, row)) != groups.end();
  };
  Json data = Json::array();
  for (const FigureSeries& series : SeriesOf(report, wanted)) {
    Json trace = Trace("box", series.name);
    trace["pointpos"] = 0;
    trace["jitter"] = 0.5;
    trace["fillcolor"] = "rgba(128,128,128,0.10)";
    SetStyle(series, 5, &trace);
    trace["line"] = {{"color", series.color}, {"width", 1.2}};
    trace["marker"]["opacity"] = 0.75;
    for (const ReportRow* row : series.rows) {
      for (const ReportVideo& video : row->videos) {
        const double* value = Find(video.scores, metric.name);
        if (!video.error.empty() || !value) continue;
        trace["x"].push_back(EscapeHtml(ThresholdLabel(report, SpreadGroup(index, *row))));
        trace["y"].push_back(Number(*value));
        trace["customdata"].push_back({row->id, video.prompt, video.seed});
      }
    }
    points += trace["y"].size();
    if (!trace["y"].empty()) data.push_back(std::move(trace));
  }
  for (Json& trace : data) trace["boxpoints"] = points <= kMostPoints ? "all" : "suspectedoutliers";
  Json layout = Layout("threshold", MetricTitle(metric));
  layout["xaxis"]["type"] = "category";
  layout["xaxis"]["categoryorder"] = "array";
  layout["xaxis"]["categoryarray"] = Json::array();
  for (const ReportRow* row : groups) {
    layout["xaxis"]["categoryarray"].push_back(EscapeHtml(ThresholdLabel(report, *row)));
  }
  layout["boxmode"] = "group";
  return Dump(data, layout);
}

std::vector<const ReportRow*> SpreadGroups(const Report& report,
                                           const RowIndex& index,
                                           const std::string& model) {
  std::vector<const ReportRow*> groups;
  for (const ReportRow& row : report.rows) {
    if (row.model != model || row.policy == "none") continue;
    if (&SpreadGroup(index, row) == &row) groups.push_back(&row);
  }
  std::ranges::stable_sort(groups, [](const ReportRow* a, const ReportRow* b) {
    return a->threshold.value_or(1e9) < b->threshold.value_or(1e9);
  });
  return EvenlyPicked(groups, kMostThresholds);
}

std::string Labels(const std::vector<MetricInfo>& metrics) {
  std::string text;
  for (const MetricInfo& metric : metrics) text += (text.empty() ? "" : ", ") + metric.label;
  return text;
}

}  // namespace

Figure QualityFigure(const Report& report, const std::string& metric) {
  const std::vector<MetricInfo> metrics = MetricsOf(report);
  const auto kind = std::ranges::find(metrics, metric, &MetricInfo::name);
  if (kind == metrics.end()) return {};
  const bool bars = Points(report, *kind) <= kMostBars;
  Figure figure;
  figure.id = "quality-" + metric;
  figure.title = fmt::format("{} against speed", kind->label);
  figure.caption = fmt::format(
      "Mean {} {}; {}. Better is {} and to the right; a click selects.",
      kind->label,
      kind->needs_reference ? "against the uncached videos" : "of the videos",
      bars ? "bars are 95 % intervals"
           : "so many points that their marks are left out and the intervals stand in the table",
      BetterWord(*kind));
  figure.shared_axis = true;
  figure.variants = {{"speed", "speed-up", QualityJson(report, *kind, false)},
                     {"calls", "computed calls", QualityJson(report, *kind, true)}};
  return figure;
}

Figure EqualCallsFigure(const Report& report, const std::string& model) {
  Figure figure = ModelFigure(report, model, "equal-calls", "All policies at equal calls");
  figure.caption =
      "Every policy at the computed calls of each TeaCache setting: means with 95 % intervals over "
      "the same videos. Overlapping intervals decide nothing here: the next chart pairs the "
      "videos.";
  figure.wide = true;
  const RowIndex index = IndexRows(report);
  const std::vector<const ReportRow*> rows = ComparedRows(report, index, model);
  if (rows.empty()) return figure;
  for (const MetricInfo& metric : MetricsOf(report, model)) {
    figure.variants.push_back(
        {metric.name, metric.label, EqualCallsJson(report, index, rows, metric)});
  }
  return figure;
}

Figure DifferenceFigure(const Report& report, const std::string& model) {
  Figure figure =
      ModelFigure(report, model, "difference", "TeaCache against the baselines at equal calls");
  figure.caption =
      "Mean difference over the same videos at equal computed calls, with 95 % bootstrap "
      "intervals. Above zero TeaCache is better (below, where lower is better); an interval that "
      "touches zero decides nothing.";
  figure.wide = true;
  const RowIndex index = IndexRows(report);
  const std::vector<const ReportRow*> rows = ComparedRows(report, index, model);
  if (rows.empty()) return figure;
  for (const MetricInfo& metric : MetricsOf(report, model)) {
    if (!metric.needs_reference) continue;
    FigureVariant variant = {
        metric.name, metric.label, DifferenceJson(report, index, rows, metric)};
    if (!variant.json.starts_with(R"({"data":[],)")) figure.variants.push_back(std::move(variant));
  }
  return figure;
}

Figure SpreadFigure(const Report& report, const std::string& model) {
  const std::vector<MetricInfo> metrics = MetricsOf(report, model);
  Figure figure = ModelFigure(report, model, "spread", "Every single video");
  figure.caption = fmt::format(
      "{} with one mark per video, and the quartiles. Baselines stand beside the TeaCache "
      "threshold "
      "whose computed calls they were given; a click shows the video.",
      Labels(metrics));
  figure.wide = true;
  const RowIndex index = IndexRows(report);
  const std::vector<const ReportRow*> groups = SpreadGroups(report, index, model);
  for (const MetricInfo& metric : metrics) {
    figure.variants.push_back(
        {metric.name, metric.label, SpreadJson(report, index, groups, metric)});
  }
  return figure;
}

}  // namespace teacache
