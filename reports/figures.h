#pragma once

#include <string>
#include <vector>

#include "reports/sweep_data.h"

namespace teacache {

// One chart of the page: plotly.js draws `json` = {"data": [...], "layout": {...}}. Colours of
// text, grid and background are set by the page, which knows whether it is dark or light; a point's
// `customdata` is the id of its SweepRow, so that a click selects the setting.
struct Figure {
  std::string id;  // "quality-psnr"
  std::string title;
  std::string caption;     // one or two sentences: what is drawn and how to read it
  std::string json;        // against the speed-up, where the x axis can be chosen
  std::string calls_json;  // the same against the share of computed calls; "" = one axis only
  bool wide = false;       // takes the full width of the page
};

// Mean of `metric` ("psnr", "ssim", "lpips") against end-to-end speed-up, one line per policy, with
// 95 % intervals of both.
Figure QualityFigure(const SweepReport& report, const std::string& metric);

// TeaCache minus its baselines at equal computed calls, with 95 % intervals, per threshold.
Figure DifferenceFigure(const SweepReport& report);

// Share of videos in which a call was computed: call number x setting.
Figure SkipMapFigure(const SweepReport& report);

// The pairs of one fit and its polynomial.
Figure FitFigure(const SweepReport& report, const SweepFit& fit);

// PSNR of every single video by setting (SSIM where no video has a PSNR).
Figure SpreadFigure(const SweepReport& report);

// Median seconds per video: transformer, decoding, rest.
Figure TimeFigure(const SweepReport& report);

// All of the above that `report` has data for, in the page's order.
std::vector<Figure> ReportFigures(const SweepReport& report);

}  // namespace teacache
