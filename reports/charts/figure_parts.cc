#include "reports/charts/figure_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "reports/findings/labels.h"
#include "reports/kit/html_page.h"

namespace teacache {
namespace {

struct PolicyStyle {
  std::string_view policy;
  const char* color;
  const char* symbol;
  const char* dash;
};

constexpr std::array<PolicyStyle, 6> kPolicies = {{
    {"teacache", "#2f7fe0", "circle", "solid"},
    {"uniform", "#d9661f", "square", "dash"},
    {"mask", "#1f9160", "diamond", "dot"},
    {"steps", "#8a5fd0", "triangle-up", "dashdot"},
    {"magcache", "#c2478f", "cross", "longdash"},
    {"none", "#7d8794", "star", "solid"},
}};
// Of further coefficient sets of TeaCache, and of policies that are not known here.
constexpr std::array<const char*, 4> kFurtherColors = {"#0f95a8", "#6b68e8", "#5d8f1f", "#b8860b"};
constexpr std::array<const char*, 4> kModelDashes = {"solid", "dash", "dot", "dashdot"};

// Position of `name` among the different names that come before it.
template <typename Range, typename Name>
size_t PositionOf(const Range& range, const Name& name_of, const std::string& name) {
  std::vector<std::string> seen;
  for (const auto& item : range) {
    const std::string& other = name_of(item);
    if (other == name) break;
    if (std::ranges::find(seen, other) == seen.end()) seen.push_back(other);
  }
  return seen.size();
}

const PolicyStyle* FindStyle(std::string_view policy) {
  const auto found = std::ranges::find(kPolicies, policy, &PolicyStyle::policy);
  return found == kPolicies.end() ? nullptr : &*found;
}

void ChooseStyle(const Report& report, const ReportRow& row, FigureSeries* series) {
  const PolicyStyle* style = FindStyle(row.policy);
  series->color = style ? style->color
                        : kFurtherColors[PositionOf(
                                             report.rows,
                                             [](const ReportRow& other) { return other.policy; },
                                             row.policy) %
                                         kFurtherColors.size()];
  series->symbol = style ? style->symbol : "star";
  series->dash = style ? style->dash : "dot";
  std::vector<ReportFit> sets;
  std::ranges::copy_if(report.fits, std::back_inserter(sets), [&row](const ReportFit& fit) {
    return fit.model == row.model;
  });
  const size_t set = row.fit.empty()
                         ? 0
                         : PositionOf(
                               sets, [](const ReportFit& fit) { return fit.name; }, row.fit);
  if (set > 0 && row.policy == "teacache") {
    series->color = kFurtherColors[(set - 1) % kFurtherColors.size()];
    series->symbol = "circle-open";
  }
  if (report.models.size() > 1) {
    const size_t model = PositionOf(
        report.models, [](const ReportModel& other) { return other.name; }, row.model);
    series->dash = kModelDashes[model % kModelDashes.size()];
  }
}

bool SeveralSets(const Report& report, const std::string& model) {
  return std::ranges::count(report.fits, model, &ReportFit::model) > 1;
}

}  // namespace

FigureJson Number(std::optional<double> value) {
  return value && std::isfinite(*value) ? FigureJson(*value) : FigureJson(nullptr);
}

FigureJson Axis(const std::string& title) { return {{"title", {{"text", title}}}}; }

FigureJson Layout(const std::string& x, const std::string& y) {
  return {{"xaxis", Axis(x)},
          {"yaxis", Axis(y)},
          {"margin", {{"l", 60}, {"r", 16}, {"t", 10}, {"b", 48}}}};
}

std::string Dump(const FigureJson& data, const FigureJson& layout) {
  return FigureJson{{"data", data}, {"layout", layout}}.dump(
      -1, ' ', false, FigureJson::error_handler_t::replace);
}

FigureJson Trace(const char* type, const std::string& name) {
  return {{"type", type},
          {"name", name},
          {"x", FigureJson::array()},
          {"y", FigureJson::array()},
          {"customdata", FigureJson::array()}};
}

FigureJson ErrorBars(const std::string& color) {
  return {{"type", "data"},
          {"symmetric", false},
          {"array", FigureJson::array()},
          {"arrayminus", FigureJson::array()},
          {"color", color},
          {"thickness", 1.2},
          {"width", 3}};
}

void AddError(FigureJson* bars, double middle, const std::optional<Interval>& interval) {
  (*bars)["array"].push_back(interval ? Number(std::max(0.0, interval->hi - middle))
                                      : FigureJson(nullptr));
  (*bars)["arrayminus"].push_back(interval ? Number(std::max(0.0, middle - interval->lo))
                                           : FigureJson(nullptr));
}

std::vector<MetricInfo> MetricsOf(const Report& report, const std::string& model) {
  std::vector<MetricInfo> metrics = report.metrics;
  std::erase_if(metrics, [&](const MetricInfo& metric) {
    return std::ranges::none_of(report.rows, [&](const ReportRow& row) {
      if (row.policy == "none" || (!model.empty() && row.model != model)) return false;
      const ReportMetric* pooled = Find(row.scores, metric.name);
      return pooled && pooled->mean;
    });
  });
  return metrics;
}

const char* BetterWord(const MetricInfo& metric) { return metric.higher_is_better ? "up" : "down"; }

std::vector<FigureSeries> SeriesOf(const Report& report,
                                   const std::function<bool(const ReportRow&)>& wanted) {
  std::vector<FigureSeries> all;
  std::map<std::string, size_t> position;
  for (const ReportRow& row : report.rows) {
    if (!wanted(row)) continue;
    std::string name = PolicyLabel(row.policy);
    if (SeveralSets(report, row.model) && !row.fit.empty()) name += ", " + row.fit;
    if (report.models.size() > 1) name = fmt::format("{}: {}", row.model, name);
    const auto [found, added] = position.emplace(name, all.size());
    if (added) {
      all.push_back({.name = name, .model = row.model, .policy = row.policy});
      ChooseStyle(report, row, &all.back());
    }
    all[found->second].rows.push_back(&row);
  }
  return all;
}

void SetStyle(const FigureSeries& series, double marker_size, FigureJson* trace) {
  (*trace)["line"] = {{"color", series.color}, {"dash", series.dash}, {"width", 2}};
  (*trace)["marker"] = {{"color", series.color}, {"symbol", series.symbol}, {"size", marker_size}};
}

std::string ThresholdLabel(const Report& report, const ReportRow& row) {
  std::string label = row.threshold ? Short(*row.threshold) : RowLabel(row);
  if (SeveralSets(report, row.model) && !row.fit.empty()) label += " " + row.fit;
  return label;
}

RowIndex IndexRows(const Report& report) {
  RowIndex index;
  for (const ReportRow& row : report.rows) index.emplace(row.id, &row);
  return index;
}

const ReportRow* At(const RowIndex& index, const std::string& id) {
  const auto found = index.find(id);
  return found == index.end() ? nullptr : found->second;
}

FigureJson RowAxis(const std::vector<const ReportRow*>& rows) {
  constexpr size_t kNames = 60;
  FigureJson axis = {{"tickmode", "array"},
                     {"tickvals", FigureJson::array()},
                     {"ticktext", FigureJson::array()},
                     {"showgrid", false}};
  const size_t step = rows.size() / kNames + 1;
  for (size_t i = 0; i < rows.size(); i += step) {
    axis["tickvals"].push_back(i);
    axis["ticktext"].push_back(EscapeHtml(RowLabel(*rows[i])));
  }
  return axis;
}

Figure ModelFigure(const Report& report,
                   const std::string& model,
                   const std::string& id,
                   const std::string& title) {
  Figure figure;
  const bool several = report.models.size() > 1;
  figure.id = several ? id + "-" + model : id;
  figure.title = several ? fmt::format("{}: {}", model, title) : title;
  figure.model = model;
  return figure;
}

bool HasMarks(const FigureVariant& variant) { return !variant.json.starts_with(R"({"data":[],)"); }

bool HasMarks(const Figure& figure) {
  return std::ranges::any_of(figure.variants,
                             [](const FigureVariant& variant) { return HasMarks(variant); });
}

}  // namespace teacache
