// The chart beside the choice: what quality every policy keeps at what speed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "reports/charts/figure_parts.h"
#include "reports/findings/choices.h"
#include "reports/findings/decisions.h"
#include "reports/findings/labels.h"

namespace teacache {
namespace {

using Json = FigureJson;

constexpr size_t kMostLines = 6;  // that can be told apart

struct Point {
  const ReportRow* row = nullptr;
  double x = 0;
  const ReportMetric* pooled = nullptr;
  double y() const { return *pooled->mean; }
};

// The settings of one policy that none of the same policy beats in both, slowest first.
struct Frontier {
  FigureSeries series;
  std::vector<Point> points;
};

bool HasTimes(const Report& report, const std::string& model) {
  return std::ranges::any_of(report.rows, [&model](const ReportRow& row) {
    return row.model == model && row.policy != "none" && row.speedup_total.value > 0;
  });
}

// Fewer computed calls are drawn as a speed too: the calls of an uncached run per computed one.
double SpeedOf(const ReportRow& row, bool timed) {
  if (timed) return row.speedup_total.value;
  return row.computed_mean > 0 ? row.calls / row.computed_mean : 0;
}

Frontier FrontierOf(const std::vector<const ReportRow*>& rows,
                    const MetricInfo& metric,
                    bool timed) {
  std::vector<Point> points;
  for (const ReportRow* row : rows) {
    const ReportMetric* pooled = Find(row->scores, metric.name);
    const double speed = SpeedOf(*row, timed);
    if (pooled && pooled->mean && speed > 0) points.push_back({row, speed, pooled});
  }
  std::ranges::stable_sort(points, std::ranges::greater{}, &Point::x);
  Frontier frontier;
  for (const Point& point : points) {
    const bool better =
        frontier.points.empty() ||
        BetterOfPair(point.y(), frontier.points.back().y(), metric.higher_is_better) > 0;
    if (better) frontier.points.push_back(point);
  }
  std::ranges::reverse(frontier.points);
  return frontier;
}

// One per policy, in the order of the choice: the policies that keep the floor fastest first.
std::vector<Frontier> Frontiers(const Report& report,
                                const std::string& model,
                                const MetricInfo& metric) {
  const bool timed = HasTimes(report, model);
  std::vector<Frontier> frontiers;
  const ReportChoice* choice = FindChoice(report, model);
  if (!choice) return frontiers;
  for (const ReportOption& option : choice->options) {
    if (frontiers.size() == kMostLines) break;
    const std::string& policy = option.policy;
    const auto of_policy = [&](const ReportRow& row) {
      return row.model == model && row.policy == policy;
    };
    std::vector<const ReportRow*> rows;
    for (const ReportRow& row : report.rows) {
      if (of_policy(row)) rows.push_back(&row);
    }
    Frontier frontier = FrontierOf(rows, metric, timed);
    if (frontier.points.empty()) continue;
    frontier.series = SeriesOf(report, of_policy).front();
    frontier.series.name = PolicyLabel(policy);
    frontiers.push_back(std::move(frontier));
  }
  return frontiers;
}

// "#2f7fe0" with an opacity.
std::string Pale(const std::string& color) {
  const auto part = [&color](int at) { return std::stoi(color.substr(at, 2), nullptr, 16); };
  return fmt::format("rgba({},{},{},0.15)", part(1), part(3), part(5));
}

// The 95 % intervals of the means as an area.
Json Band(const Frontier& frontier) {
  Json trace = Trace("scatter", frontier.series.name);
  trace.erase("customdata");
  trace["meta"] = {{"band", true}};
  trace["mode"] = "lines";
  trace["line"] = {{"width", 0}};
  trace["fill"] = "toself";
  trace["fillcolor"] = Pale(frontier.series.color);
  trace["hoverinfo"] = "skip";
  trace["showlegend"] = false;
  for (const Point& point : frontier.points) {
    trace["x"].push_back(Number(point.x));
    trace["y"].push_back(Number(point.pooled->ci95 ? point.pooled->ci95->hi : point.y()));
  }
  for (auto point = frontier.points.rbegin(); point != frontier.points.rend(); ++point) {
    trace["x"].push_back(Number(point->x));
    trace["y"].push_back(Number(point->pooled->ci95 ? point->pooled->ci95->lo : point->y()));
  }
  return trace;
}

Json Line(const Frontier& frontier) {
  Json trace = Trace("scatter", frontier.series.name);
  trace["mode"] = "lines+markers";
  trace["meta"] = {{"model", frontier.series.model}};
  SetStyle(frontier.series, 6, &trace);
  trace["line"]["width"] = 2.5;
  trace["showlegend"] = false;
  // Not drawn, but part of the saved table.
  trace["error_y"] = ErrorBars(frontier.series.color);
  trace["error_y"]["visible"] = false;
  for (const Point& point : frontier.points) {
    trace["x"].push_back(Number(point.x));
    trace["y"].push_back(Number(point.y()));
    trace["customdata"].push_back(point.row->id);
    AddError(&trace["error_y"], point.y(), point.pooled->ci95);
  }
  return trace;
}

// Names at the fast ends of the lines; the page moves those apart that would cover each other.
Json Labels(const std::vector<Frontier>& frontiers) {
  Json annotations = Json::array();
  for (const Frontier& frontier : frontiers) {
    const Point& end = frontier.points.back();
    annotations.push_back({{"x", Number(end.x)},
                           {"y", Number(end.y())},
                           {"text", frontier.series.name},
                           {"showarrow", false},
                           {"xanchor", "left"},
                           {"xshift", 7},
                           {"font", {{"color", frontier.series.color}, {"size", 11}}}});
  }
  return annotations;
}

std::string FrontierJson(const Report& report, const std::string& model, const MetricInfo& metric) {
  const std::vector<Frontier> frontiers = Frontiers(report, model, metric);
  Json data = Json::array();
  if (frontiers.empty()) return Dump(data, {});
  double lo = std::numeric_limits<double>::infinity(), hi = -lo;
  double left = lo, right = -lo;
  for (const Frontier& frontier : frontiers) {
    data.push_back(Band(frontier));
    for (const Point& point : frontier.points) {
      const Interval interval = point.pooled->ci95.value_or(Interval{point.y(), point.y()});
      lo = std::min(lo, interval.lo);
      hi = std::max(hi, interval.hi);
      left = std::min(left, point.x);
      right = std::max(right, point.x);
    }
  }
  for (const Frontier& frontier : frontiers) data.push_back(Line(frontier));
  const bool timed = HasTimes(report, model);
  Json layout =
      Layout(timed ? "speed-up, end to end" : "calls of an uncached run per computed call",
             MetricTitle(metric));
  layout["xaxis"]["ticksuffix"] = "×";
  // Room for the names.
  const double width = std::max(right - left, 0.1);
  layout["xaxis"]["range"] = {left - 0.04 * width, right + 0.5 * width};
  const double height = std::max(hi - lo, 1e-6);
  layout["yaxis"]["range"] = {lo - 0.05 * height, hi + 0.05 * height};
  layout["annotations"] = Labels(frontiers);
  layout["margin"] = {{"l", 50}, {"r", 8}, {"t", 8}, {"b", 40}};
  return Dump(data, layout);
}

}  // namespace

Figure FrontierFigure(const Report& report, const std::string& model) {
  Figure figure = ModelFigure(report, model, "frontier", "Speed and quality by policy");
  figure.caption =
      "The best settings of each policy: means with 95 % bands. Up and to the right is better"
      " (for LPIPS down); a point selects its setting.";
  figure.leads = true;
  for (const MetricInfo& metric : MetricsOf(report, model)) {
    if (!metric.needs_reference) continue;
    if (metric.name != report.context.floor.metric && !TellsApart(report, model, metric)) continue;
    figure.variants.push_back({metric.name, metric.label, FrontierJson(report, model, metric)});
  }
  return figure;
}

}  // namespace teacache
