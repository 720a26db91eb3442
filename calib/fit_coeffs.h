#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calib/diagnosis/diagnostics.h"
#include "calib/fit/fit.h"
#include "calib/read_calibration.h"
#include "calib/replay/engine_warnings.h"
#include "calib/replay/threshold.h"
#include "calib/replay/threshold_sweep.h"
#include "datasets/coefficients.h"

namespace teacache {

// How a threshold is chosen; at most one of the first four. None: no threshold.
struct ThresholdOptions {
  std::optional<double> threshold;
  std::optional<double> target_speedup;
  std::optional<double> target_skips;
  std::optional<QualityTarget> target_quality;  // needs results
  std::vector<double> result_thresholds;        // of the sweep's results.json files
  std::vector<std::string> results;
};

// What the program fit-coeffs does.
struct FitCoeffsOptions {
  CalibrationInput input;
  FitOptions fit;
  bool choose_degree = false;  // by cross-validation instead of fit.degree
  // fit.degree was not asked for: where a single prompt, or too few different x, cannot bear it, a
  // lower one is taken with a warning.
  bool lower_degree = false;
  bool allow_worse_degree = false;  // keep a degree that predicts worse than a lower one
  std::string weights = "none";     // "none", "steps", "variance"
  DiagnosticsOptions diagnostics;
  ThresholdOptions threshold;
  int sweep_points = 200;         // of the threshold curve in the report
  std::vector<std::string> emit;  // formats, see EmitFormats()
  std::string emit_folder = ".";
  std::string model;  // the engine's name for the model; "" = as recorded
  std::string out;    // coefficients file; "" = none
};

// What another engine makes of the same coefficients and threshold.
struct EngineReplay {
  std::string engine;
  SweepPoint point;
};

// One expert's fit.
struct FittedExpert {
  CalibrationData data;
  FitOptions options;  // as used: with the degree that was chosen
  FitSummary fit;
  Diagnostics diagnostics;
  std::vector<std::string> engine_warnings;
  std::vector<SweepPoint> sweep;
  std::optional<UsefulThresholds> useful;  // where runs can be replayed
  std::optional<ReplaySummary> replay;     // at the threshold
  std::vector<EngineReplay> engines;       // every rule at the threshold
  std::vector<SignConsequence> signs;      // where f is negative on the observed range
  // A schedule from the step number alone with as many skips as the replay has on average.
  std::vector<bool> static_mask;
};

struct FitCoeffsResult {
  Coefficients coefficients;
  EngineRule rule;
  std::vector<FittedExpert> experts;
  std::string threshold_text;  // how the threshold was chosen; "" = none was asked for
  bool threshold_reached = true;
  bool quality_target = false;       // it was chosen for a quality, not for skips or a speed-up
  std::vector<std::string> written;  // files
  std::vector<std::string> warnings;
};

// Reads, fits each expert, diagnoses, replays, chooses a threshold, writes `out` and the formats of
// `emit`. Nothing is written when anything is refused.
FitCoeffsResult RunFitCoeffs(const FitCoeffsOptions& options);

}  // namespace teacache
