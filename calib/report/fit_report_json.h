#pragma once

#include <string>

#include "calib/fit_coeffs.h"
#include "calib/score_coefficients.h"

namespace teacache {

// The whole result of fit-coeffs as JSON, for scripts and for the HTML page:
//   {"format": "teacache-fit", "version": 1, "coefficients": {...as in a coefficients file...},
//    "engine": {"name", "description"}, "threshold": {"text", "reached"}, "warnings": [...],
//    "written": [...], "experts": [{"expert", "fit", "quality", "cross_validation", "bands",
//    "steps", "learning", "drift", "stretches", "verdict", "pairs", "sweep", "replay",
//    "static_mask", "engines", "signs"}]}
// "pairs" has columns: {"x": [...], "y": [...], "prompt": [...], "call": [...], "branch": [...],
// "fitted": [...]}. There is no NaN or Infinity: such a number is null.
std::string FitReportJson(const FitCoeffsResult& result);
std::string ScoreReportJson(const ScoreResult& result);

}  // namespace teacache
