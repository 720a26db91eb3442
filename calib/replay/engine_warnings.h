#pragma once

#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "calib/rules/engine_rules.h"
#include "datasets/coefficients.h"

namespace teacache {

// What the engine will do where f is negative or decreases; empty = nothing to warn of. Looked at
// is the calibrated range of x, where it is not known the observed one, where that is not known [0,
// 0.6].
std::vector<std::string> EngineWarnings(const CoefficientSet& set,
                                        const EngineRule& rule,
                                        const Interval& observed = {});

// What all engines will do with f < 0 within `range`, by their sign rule; empty where f >= 0.
struct SignConsequence {
  std::vector<std::string> engines;  // names of rules
  std::string text;
};
std::vector<SignConsequence> SignConsequences(const Polynomial& f, const Interval& range);

}  // namespace teacache
