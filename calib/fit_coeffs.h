#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calib/diagnostics.h"
#include "calib/emit.h"
#include "calib/engine_warnings.h"
#include "calib/fit.h"
#include "calib/importers.h"
#include "calib/pairs.h"
#include "calib/registry.h"
#include "calib/replay.h"
#include "calib/threshold.h"
#include "datasets/coefficients.h"
#include "datasets/trace.h"

namespace teacache {

// What the pairs are taken from and which of them count.
struct CalibrationInput {
  std::vector<std::string> files;  // traces of one setting, or files that ImportPairs reads
  ImportOptions import;
  PairOptions pairs;                // forced_calls and drop_... are set by the engine's rule
  std::string engine = "teacache";  // whose rule says which calls can be skipped, and is replayed
  bool all_calls = false;           // fit the calls that the engine always computes too
};

// The pairs of one expert (or of the only model) and what is needed to replay them.
struct CalibrationData {
  std::string expert;
  PairSet all;                        // every pair
  PairSet fitted;                     // those of calls that the engine may skip
  std::optional<ReplayInput> replay;  // empty where calls are not known
  std::map<std::string, std::vector<double>> magnitude_ratios;  // empty without residual sums
};

struct Calibration {
  std::vector<CalibrationData> experts;  // at least one; in order of name
  CoefficientProvenance provenance;
  EngineRule rule;
  std::vector<std::string> warnings;
};

// Reads and merges the files. Throws UserError for files of different kinds or settings.
Calibration ReadCalibration(const CalibrationInput& input);

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
  bool choose_degree = false;       // by cross-validation instead of fit.degree
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
  std::optional<ReplaySummary> replay;  // at the threshold
  std::vector<EngineReplay> engines;    // every rule at the threshold
  std::vector<SignConsequence> signs;   // where f is negative on the observed range
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
};

struct ScoreResult {
  CoefficientSet set;
  CoefficientProvenance provenance;
  EngineRule rule;
  std::vector<Likeness> likenesses;
  std::vector<std::string> engine_warnings;
  std::vector<ScoredExpert> experts;
  std::vector<std::string> warnings;
};

ScoreResult RunScore(const ScoreCoefficientsOptions& options);

}  // namespace teacache
