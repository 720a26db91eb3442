#pragma once

#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "datasets/coefficients.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/system.h"

namespace teacache {

// A coefficients file as it is used with a system.
struct UsedCoefficients {
  CoefficientSet set;  // its threshold is the file's
  std::vector<std::string> warnings;
};

// Coefficients hold for the model and the signal that they were fitted to: another model, another
// kind of signal (SystemInfo::modulated), and sets of several experts, which these systems do not
// have, are refused with a UserError that names `path`; `force` makes warnings of them. Another
// scheduler, number of steps, guidance, dtype or size is a warning; what the file does not say is
// not compared.
UsedCoefficients UseCoefficients(const Coefficients& coefficients,
                                 const std::string& path,
                                 const SystemInfo& system,
                                 bool force = false);

// Decided calls, and those whose signal was outside the fitted range, where f is a guess.
struct RangeCount {
  int decided = 0;
  int outside = 0;
};
// Nothing is outside an unknown range (0, 0).
RangeCount CountOutside(const std::vector<CallRecord>& calls, const Interval& range);

}  // namespace teacache
