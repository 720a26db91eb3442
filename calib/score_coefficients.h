#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calib/diagnosis/diagnostics.h"
#include "calib/published_coefficients.h"
#include "calib/read_calibration.h"
#include "calib/replay/threshold_sweep.h"
#include "datasets/coefficients.h"

namespace teacache {

// Given coefficients judged on a trace.
struct ScoreCoefficientsOptions {
  CalibrationInput input;
  std::string coefficients;  // a published name, a list, or a file: see ResolveCoefficients
  std::optional<double> threshold;
  int sweep_points = 200;
};

struct ScoredExpert {
  CalibrationData data;
  FitQuality all;
  FitQuality window;
  FitQuality refit;    // of a least-squares fit of the same degree on the same window: what is
                       // possible here
  double outside = 0;  // share of the window's pairs outside the coefficients' calibrated range
  std::vector<SweepPoint> sweep;
  std::optional<ReplaySummary> replay;
  double intercept = 0;  // f of the smallest x: what every call adds at least, where f increases
};

struct ScoreResult {
  CoefficientSet set;
  CoefficientProvenance provenance;
  EngineRule rule;
  std::vector<Likeness> likenesses;
  std::vector<std::string> engine_warnings;
  std::string mismatch;  // x here is of another signal than the coefficients expect; "" = it is not
  double threshold = 0;  // given, or published with the set; 0 = none
  std::vector<ScoredExpert> experts;
  std::vector<std::string> warnings;
};

ScoreResult RunScore(const ScoreCoefficientsOptions& options);

}  // namespace teacache
