#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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
// Of more pairs or runs than `limits` says, these many are in "pairs" and in "runs" of "replay",
// evenly picked; everything else is of all.
struct FitReportLimits {
  size_t pairs = SIZE_MAX;  // of an expert
  size_t runs = SIZE_MAX;
};
std::string FitReportJson(const FitCoeffsResult& result, const FitReportLimits& limits = {});
// The numbers of at most `most` of `count` things, the first and the last among them.
std::vector<size_t> EvenlyPicked(size_t count, size_t most);
std::string ScoreReportJson(const ScoreResult& result);

}  // namespace teacache
