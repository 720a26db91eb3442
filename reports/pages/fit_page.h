#pragma once

#include <string>

#include "calib/fit_coeffs.h"

namespace teacache {

// fit.html: one self-contained page (plotly.js, style, script and all data inside; nothing is
// loaded from a network). For each expert: the verdict, the figures, the pairs by step with f(x)
// and its band, residuals, means by step, cross-validation by degree, the learning curve, and,
// where calls are known, the threshold curve and the skip map of all runs with a slider.
// '#theme=dark' begins dark.
std::string FitPageHtml(const FitCoeffsResult& result);

void WriteFitPage(const std::string& path, const FitCoeffsResult& result);

}  // namespace teacache
