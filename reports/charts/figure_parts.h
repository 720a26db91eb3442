#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/charts/figures.h"
#include "reports/data/report.h"

namespace teacache {

// What the charts of a report are put together from.

using FigureJson = nlohmann::ordered_json;

// A number, or null where plotly shall draw nothing.
FigureJson Number(std::optional<double> value);

FigureJson Axis(const std::string& title);
FigureJson Layout(const std::string& x, const std::string& y);
std::string Dump(const FigureJson& data, const FigureJson& layout);

// A trace of `type` with empty x, y and customdata.
FigureJson Trace(const char* type, const std::string& name);

// Asymmetric bars, filled by AddError in the order of the points.
FigureJson ErrorBars(const std::string& color);
void AddError(FigureJson* bars, double middle, const std::optional<Interval>& interval);

// The metrics that any row (of `model`; "" = of any) has a mean of.
std::vector<MetricInfo> MetricsOf(const Report& report, const std::string& model = "");

// "up" or "down": where better lies.
const char* BetterWord(const MetricInfo& metric);

// Rows that belong to one line of a chart: same model, policy and coefficient set.
struct FigureSeries {
  std::string name;
  std::string model;
  std::string policy = {};
  std::string color = {};   // readable on white and on near-black
  std::string symbol = {};  // by policy
  std::string dash = {};    // by policy, or by model where there are several
  std::vector<const ReportRow*> rows = {};
};

std::vector<FigureSeries> SeriesOf(const Report& report,
                                   const std::function<bool(const ReportRow&)>& wanted);

// Lines and marks of a series; scatter traces take both, boxes only the marks.
void SetStyle(const FigureSeries& series, double marker_size, FigureJson* trace);

// What stands below a TeaCache setting on an axis of thresholds: "0.1".
std::string ThresholdLabel(const Report& report, const ReportRow& row);

using RowIndex = std::map<std::string_view, const ReportRow*>;
RowIndex IndexRows(const Report& report);
const ReportRow* At(const RowIndex& index, const std::string& id);

// At most `most` of them, evenly picked, the first and the last included.
template <typename T>
std::vector<T> EvenlyPicked(const std::vector<T>& all, size_t most) {
  if (all.size() <= most) return all;
  std::vector<T> picked;
  for (size_t i = 0; i < most; ++i) picked.push_back(all[i * (all.size() - 1) / (most - 1)]);
  return picked;
}

// A y axis with one line per row, few enough of them named to be read.
FigureJson RowAxis(const std::vector<const ReportRow*>& rows);

// Figures that follow a model: "skip-map", or "skip-map-NAME" where there are several, with the
// model's name in the title.
Figure ModelFigure(const Report& report,
                   const std::string& model,
                   const std::string& id,
                   const std::string& title);

// Whether anything would be shown.
bool HasMarks(const FigureVariant& variant);
bool HasMarks(const Figure& figure);

}  // namespace teacache
