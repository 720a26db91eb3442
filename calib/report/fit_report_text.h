#pragma once

#include <string>

#include "calib/fit_coeffs.h"
#include "calib/score_coefficients.h"

namespace teacache {

// What fit-coeffs prints: a screenful of text.
std::string FitReportText(const FitCoeffsResult& result);
std::string ScoreReportText(const ScoreResult& result);

}  // namespace teacache
