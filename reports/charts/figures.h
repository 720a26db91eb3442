#pragma once

#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// What one chart can show: plotly.js draws `json` = {"data": [...], "layout": {...}}. Colours of
// text, grid and background are set by the page, which knows whether it is dark or light. A mark's
// `customdata` is the id of its ReportRow, or [id, prompt, seed] of its video: the page writes what
// hovering shows, a click selects it, and what is selected stands out.
struct FigureVariant {
  std::string id;     // "psnr", "calls"
  std::string label;  // of the button that chooses it
  std::string json;
};

// One chart of the page.
struct Figure {
  std::string id;  // "quality-psnr", unique in the report
  std::string title;
  std::string caption;                  // one or two sentences: what is drawn and how to read it
  std::string model;                    // whose settings are drawn; "" = those of all models
  std::vector<FigureVariant> variants;  // at least one; the first is shown first
  bool shared_axis = false;  // the variants are "speed" and "calls", chosen for the whole page
  bool wide = false;         // takes the full width of the page
  bool leads = false;        // stands beside the choice, on the first screen
};

// Mean of `metric` (its name), one line per model, coefficient set and policy, with
// 95 % intervals, against end-to-end speed-up ("speed") or the share of computed calls ("calls").
// Above 2,000 points the intervals are left to hovering.
Figure QualityFigure(const Report& report, const std::string& metric);

// The settings of each policy that no other of the same policy beats, with 95 % bands and the names
// at the lines, six at most; one variant per metric against the uncached videos that tells the
// settings apart.
Figure FrontierFigure(const Report& report, const std::string& model);

// Every policy at the computed calls of each TeaCache setting, one variant per metric.
Figure EqualCallsFigure(const Report& report, const std::string& model);

// TeaCache minus its baselines at equal computed calls, with 95 % intervals, per threshold, one
// variant per metric.
Figure DifferenceFigure(const Report& report, const std::string& model);

// Every single video by setting, one variant per metric.
Figure SpreadFigure(const Report& report, const std::string& model);

// Share of videos in which a call was computed: call number x setting.
Figure SkipMapFigure(const Report& report, const std::string& model);

// Calls that were computed live but not in the replay, or the other way round; empty when both
// agree everywhere.
Figure ReplayFigure(const Report& report, const std::string& model);

// The pairs of one fit and its polynomial.
Figure FitFigure(const Report& report, const ReportFit& fit);

// Median seconds per video: transformer, decoding, rest.
Figure TimeFigure(const Report& report, const std::string& model);

// All of the above that `report` has data for, in the page's order.
std::vector<Figure> ReportFigures(const Report& report);

}  // namespace teacache
