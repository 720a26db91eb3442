#pragma once

#include <string>
#include <vector>

#include "calib/fit.h"
#include "calib/pairs.h"
#include "datasets/coefficients.h"

namespace teacache {

// What the program fit-coeffs does.
struct FitCoeffsOptions {
  std::vector<std::string> traces;  // files of one setting, merged
  std::string out;                  // coefficients file; "" = none
  PairOptions pairs;
  FitOptions fit;
};

struct FitCoeffsResult {
  Coefficients coefficients;
  FitSummary fit;                     // of all pairs together
  std::vector<std::string> warnings;  // of reading and of the pairs
};

// Reads, merges, fits (all pairs together, and each expert of a model with several) and writes
// `out`.
FitCoeffsResult RunFitCoeffs(const FitCoeffsOptions& options);

}  // namespace teacache
