#pragma once

#include <string>

#include "calib/cross_validation.h"

namespace teacache {

enum class Verdict {
  kUse,           // the polynomial predicts
  kLineSuffices,  // so does a straight line, equally well
  kUseSteps,      // the step number alone predicts better: use a mask or MagCache-like ratios
  kNoSignal,      // no better than a constant
};

std::string ToString(Verdict verdict);

struct Judgement {
  Verdict verdict = Verdict::kUse;
  std::string text;  // two sentences
};

// Whether a fit is worth using: its cross-validated errors against those of predictions that need
// no polynomial.
Judgement Judge(const FitOptions& options,
                const CrossValidation& fit,
                const CrossValidation& constant,
                const CrossValidation& line,
                const CrossValidation& step);

}  // namespace teacache
