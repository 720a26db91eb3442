#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calib/fit_coeffs.h"
#include "reports/data/report.h"
#include "reports/sweep/sweep.h"
#include "runners/systems/system.h"

namespace teacache {

// What a sweep knows from the fit prompts' traces before it generates anything.
struct SweepCalibration {
  std::vector<ReportFit> sets;                  // coefficient sets, in the order asked for
  std::vector<std::vector<double>> thresholds;  // of each set, ascending
  std::vector<double> change;                   // MeanChangeByCall
  std::vector<double> ratios;                   // MagnitudeRatios, mean over branches; empty = none
  std::vector<std::string> warnings;
};

// Throws UserError for sets of options.coeffs that cannot be found or share a name.
void CheckCoefficientSets(const System& system, const std::vector<std::string>& sets);

// Reads `trace` (the fit prompts' runs), fits where "fitted" is among options.coeffs (and writes
// `coeffs`), judges the other sets on the same pairs, and spaces the thresholds. Throws UserError.
SweepCalibration Calibrate(const System& system,
                           const SweepOptions& options,
                           const std::vector<std::string>& fit_prompts,
                           const std::string& trace,
                           const std::string& coeffs);

// At most `count` thresholds, spaced evenly in replayed skips from a few to where the speed-up
// saturates (98 % of the most that the rule can do), two significant digits each. Never empty.
std::vector<double> SpacedThresholds(const ReplayInput& input,
                                     const ReplayOptions& options,
                                     int count);

}  // namespace teacache
