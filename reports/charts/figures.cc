#include "reports/charts/figures.h"

#include <fmt/format.h>

#include <algorithm>

#include "calib/fit/polynomial.h"
#include "calib/predecessors.h"
#include "reports/charts/figure_parts.h"
#include "reports/findings/decisions.h"
#include "reports/findings/labels.h"

namespace teacache {
namespace {

using Json = FigureJson;

Json PolynomialTrace(const ReportFit& fit) {
  constexpr int kPoints = 121;
  const Polynomial polynomial(fit.coefficients);
  Json trace = Trace("scatter", fmt::format("polynomial, degree {}", polynomial.degree()));
  trace.erase("customdata");
  trace["mode"] = "lines";
  trace["hoverinfo"] = "skip";
  trace["line"] = {{"color", "#d9661f"}, {"width", 3}};
  for (int i = 0; i < kPoints; ++i) {
    const double x = fit.x_range.lo + (fit.x_range.hi - fit.x_range.lo) * i / (kPoints - 1);
    trace["x"].push_back(Number(x));
    trace["y"].push_back(Number(polynomial(x)));
  }
  return trace;
}

// The recorded pairs: of the set itself, or, for a published one, those of its model.
const ReportFit& WithPairs(const Report& report, const ReportFit& fit) {
  if (!fit.pairs.empty()) return fit;
  const auto recorded = std::ranges::find_if(report.fits, [&fit](const ReportFit& other) {
    return other.model == fit.model && !other.pairs.empty();
  });
  return recorded == report.fits.end() ? fit : *recorded;
}

Json PairsTrace(const ReportFit& fit) {
  Json trace = Trace("scatter", "recorded pairs");
  trace.erase("customdata");
  trace["mode"] = "markers";
  trace["text"] = Json::array();
  trace["hovertemplate"] = "call %{marker.color}%{text}<br>x %{x:.4f}, y %{y:.4f}<extra></extra>";
  trace["marker"] = {
      {"color", Json::array()},
      {"colorscale", {{0, "#174a8c"}, {0.5, "#2fa4a0"}, {1, "#c9b23a"}}},
      {"colorbar",
       {{"title", {{"text", "call"}, {"side", "right"}}}, {"thickness", 10}, {"outlinewidth", 0}}},
      {"size", 6},
      {"opacity", 0.75}};
  for (const ReportPair& pair : fit.pairs) {
    trace["x"].push_back(Number(pair.x));
    trace["y"].push_back(Number(pair.y));
    trace["text"].push_back(pair.prompt >= 0 ? fmt::format(", prompt {}", pair.prompt + 1) : "");
    trace["marker"]["color"].push_back(pair.call);
  }
  return trace;
}

// "R² 0.95 (0.93–0.97)".
std::string WithInterval(const char* name, double value, const std::optional<Interval>& interval) {
  std::string text = fmt::format(" {} {}", name, Fixed(value, 3));
  if (interval) text += fmt::format(" ({}–{})", Fixed(interval->lo, 3), Fixed(interval->hi, 3));
  return text + ".";
}

// "Left out: 2 measured at call 0, which has no predecessor."
std::string LeftOutText(const ReportFit& fit) {
  std::vector<std::string> parts;
  for (int i = 0; i <= static_cast<int>(LeftOut::kCopy); ++i) {
    const auto reason = static_cast<LeftOut>(i);
    const auto found = fit.left_out.find(ToString(reason));
    if (found != fit.left_out.end()) parts.push_back(Describe(reason, found->second));
  }
  return parts.empty() ? "" : fmt::format(" Left out: {}.", Listed(parts));
}

std::string FitCaption(const ReportFit& fit) {
  std::string text = "Relative change of the modulated input against that of the blocks' residual";
  text +=
      fit.pairs.empty() ? "." : fmt::format(", {} pairs of neighbouring calls.", fit.pairs.size());
  text += LeftOutText(fit);
  if (!fit.source.empty()) text += fmt::format(" Coefficients from {}.", fit.source);
  if (fit.pearson) text += WithInterval("Pearson", *fit.pearson, fit.pearson_ci95);
  if (fit.r2) text += WithInterval("R²", *fit.r2, fit.r2_ci95);
  text += fmt::format(" Valid for x from {} to {}.", Short(fit.x_range.lo), Short(fit.x_range.hi));
  text += " Coefficients, highest power first:";
  for (const double c : fit.coefficients) text += fmt::format(" {:.6g}", c);
  return text + ".";
}

Json TimeTrace(const std::string& name,
               const char* color,
               const std::vector<const ReportRow*>& rows,
               const std::function<double(const ReportRow&)>& seconds) {
  Json trace = Trace("bar", name);
  trace["orientation"] = "h";
  trace["hovertemplate"] = "%{text}<br>" + name + " %{x:.3f} s<extra></extra>";
  trace["textposition"] = "none";
  trace["marker"] = {{"color", color}};
  for (const ReportRow* row : rows) {
    trace["x"].push_back(Number(std::max(0.0, seconds(*row))));
    trace["y"].push_back(trace["y"].size());
    trace["customdata"].push_back(row->id);
  }
  return trace;
}

// TeaCache and the uncached runs, fastest below as in the table read upwards.
std::vector<const ReportRow*> TimedRows(const Report& report, const std::string& model) {
  constexpr size_t kMostRows = 40;
  std::vector<const ReportRow*> rows;
  for (const ReportRow& row : report.rows) {
    if (row.model == model && row.total.n > 0 &&
        (row.policy == "none" || row.policy == "teacache")) {
      rows.push_back(&row);
    }
  }
  std::ranges::reverse(rows);
  return EvenlyPicked(rows, kMostRows);
}

}  // namespace

Figure FitFigure(const Report& report, const ReportFit& fit) {
  Figure figure = ModelFigure(report, fit.model, "fit", "The fit");
  if (std::ranges::count(report.fits, fit.model, &ReportFit::model) > 1) {
    figure.id += "-" + fit.name;
    figure.title += ": " + fit.name;
  }
  figure.caption = FitCaption(fit);
  Json data = Json::array();
  const ReportFit& recorded = WithPairs(report, fit);
  if (!recorded.pairs.empty()) data.push_back(PairsTrace(recorded));
  data.push_back(PolynomialTrace(fit));
  figure.variants = {
      {"",
       "",
       Dump(data, Layout("change of the modulated input, x", "change of the residual, y"))}};
  return figure;
}

Figure TimeFigure(const Report& report, const std::string& model) {
  Figure figure = ModelFigure(report, model, "time", "Where the time goes");
  figure.caption =
      "Median seconds per video. Only the transformer gets faster; decoding and the rest bound the "
      "speed-up.";
  const std::vector<const ReportRow*> rows = TimedRows(report, model);
  if (rows.empty()) return figure;
  Json data = Json::array();
  // What is not known is no part of the bars.
  const auto known = [&rows](ReportTiming ReportRow::*timing) {
    return std::ranges::any_of(rows,
                               [timing](const ReportRow* row) { return (row->*timing).n > 0; });
  };
  const bool transformer = known(&ReportRow::transformer);
  if (transformer) {
    data.push_back(TimeTrace("transformer", "#2f7fe0", rows, [](const ReportRow& row) {
      return row.transformer.median;
    }));
  }
  if (known(&ReportRow::decode)) {
    data.push_back(TimeTrace(
        "decoding", "#c48a12", rows, [](const ReportRow& row) { return row.decode.median; }));
  }
  if (!transformer) figure.caption = "Median seconds per video; how they are divided is not known.";
  data.push_back(
      TimeTrace(transformer ? "rest" : "whole video", "#7d8794", rows, [](const ReportRow& row) {
        return row.total.median - row.transformer.median - row.decode.median;
      }));
  Json layout = Layout("seconds per video", "");
  layout["barmode"] = "stack";
  layout["yaxis"] = RowAxis(rows);
  layout["height"] = std::max<int>(340, 90 + 22 * static_cast<int>(rows.size()));
  figure.variants = {{"", "", Dump(data, layout)}};
  return figure;
}

std::vector<Figure> ReportFigures(const Report& report) {
  std::vector<Figure> figures;
  const auto add = [&figures](Figure figure) {
    if (HasMarks(figure)) figures.push_back(std::move(figure));
  };
  for (const ReportModel& model : report.models) add(FrontierFigure(report, model.name));
  for (const MetricInfo& metric : MetricsOf(report)) {
    const bool tells = std::ranges::any_of(report.models, [&](const ReportModel& model) {
      return TellsApart(report, model.name, metric);
    });
    if (tells || metric.name == report.context.floor.metric) {
      add(QualityFigure(report, metric.name));
    }
  }
  for (const ReportModel& model : report.models) {
    add(EqualCallsFigure(report, model.name));
    add(DifferenceFigure(report, model.name));
    add(SpreadFigure(report, model.name));
    add(SkipMapFigure(report, model.name));
    add(ReplayFigure(report, model.name));
    for (const ReportFit& fit : report.fits) {
      if (fit.model == model.name && !fit.coefficients.empty()) add(FitFigure(report, fit));
    }
    add(TimeFigure(report, model.name));
  }
  return figures;
}

}  // namespace teacache
