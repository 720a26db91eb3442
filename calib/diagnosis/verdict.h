#pragma once

#include <cstdint>
#include <string>

#include "calib/diagnosis/cross_validation.h"
#include "calib/fit/fit.h"
#include "calib/pairs.h"

namespace teacache {

enum class Verdict {
  kUse,           // the polynomial predicts
  kLineSuffices,  // so does a straight line, equally well
  kUseSteps,      // the step number alone predicts better, or is all that the signal says: use a
                  // mask or MagCache-like ratios
  kNoSignal,      // no better than a constant
  kTooFew,        // too few prompts or pairs to decide
  kWrongData,     // the pairs cannot be what they claim to be
};

std::string ToString(Verdict verdict);

struct Judgement {
  Verdict verdict = Verdict::kUse;
  std::string text;  // two sentences
};

// What the errors of a fit rest on.
struct Evidence {
  int64_t pairs = 0;
  int coefficients = 0;    // that are fitted
  int prompts = 0;         // 0 = unknown
  bool means = false;      // over prompts, whose differences are lost
  bool steps = true;       // known: the step number alone can be compared
  std::string wrong = {};  // PairSet::wrong
  bool schedule = false;   // x is the same in every run: it depends on the call alone
};
Evidence EvidenceOf(const PairSet& fitted, const FitOptions& options);

// Whether a fit is worth using: its cross-validated errors against those of predictions that need
// no polynomial, where there is enough to judge by.
Judgement Judge(const FitOptions& options,
                const Evidence& evidence,
                const CrossValidation& fit,
                const CrossValidation& constant,
                const CrossValidation& line,
                const CrossValidation& step);

}  // namespace teacache
