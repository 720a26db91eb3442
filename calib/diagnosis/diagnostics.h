#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "calib/diagnosis/cross_validation.h"
#include "calib/diagnosis/verdict.h"
#include "calib/fit/fit.h"
#include "calib/pairs.h"

namespace teacache {

// How well f predicts y on some pairs.
struct FitQuality {
  int64_t n = 0;
  double r2 = 0;
  double rmse = 0;
  double mae = 0;
  double pearson = 0;   // of f(x) and y
  double spearman = 0;  // of f(x) and y
};

struct BandPoint {
  double x = 0;
  double f = 0;
  double lo = 0;  // 95 % interval from the bootstrap
  double hi = 0;
};

// One transformer call number over all prompts, seeds and branches.
struct StepDiagnostics {
  int call = 0;
  int step = 0;
  int64_t n = 0;
  double x_mean = 0;
  double x_sd = 0;
  double y_mean = 0;
  double y_sd = 0;
  double residual_mean = 0;  // y - f(x)
  double leverage = 0;       // share of all leverage, 0 to 1: how much the fit depends on this step
  double r2_without = 0;     // R2 of the fit to all other steps, on all other steps
};

struct LearningPoint {
  int prompts = 0;  // fitted on this many
  double rmse = 0;  // on the prompts left out, pooled over random choices; of all but one: over all
  Interval rmse95;  // over random choices
};

// How much of the residuals' variance goes with a group, beyond chance: 0 = none, 1 = all.
struct Drift {
  std::string group;  // "prompt", "seed", "branch"
  int groups = 0;
  double share = 0;
  double largest = 0;  // largest |mean residual| of a group
  std::string largest_name;
};

struct DiagnosticsOptions {
  int bootstrap = 1000;       // resamples of prompts; 0 = no bands
  uint64_t seed = 1;          // of the resampling
  int band_points = 101;      // on the observed range of x
  int learning_repeats = 40;  // random choices of prompts for each point of the learning curve
  int max_degree = 8;         // of the table of degrees
};

struct Diagnostics {
  FitQuality all;      // on all pairs, skippable or not
  FitQuality window;   // on the pairs that were fitted: calls that the engine may skip
  std::string groups;  // what is left out and resampled: "prompt", "run" or "call"
  int num_groups = 0;
  CrossValidation cv;                      // of the fit as asked for
  std::vector<CrossValidation> baselines;  // "constant", "line", "step"
  std::vector<CrossValidation> degrees;    // "degree 1", ... of the same method
  Interval r2;                             // 95 % bootstrap interval of R2 on the fitted pairs
  Interval rmse;
  std::vector<BandPoint> band;
  std::vector<StepDiagnostics> steps;
  std::optional<int> carrying_call;  // the one call without which R2 collapses
  std::vector<LearningPoint> learning;
  bool enough_prompts = false;  // more prompts would hardly lower the error
  std::vector<Drift> drift;
  std::vector<Interval> negative;    // stretches of the observed range where f < 0
  std::vector<Interval> decreasing;  // ... where f' < 0
  Verdict verdict = Verdict::kUse;
  std::string verdict_text;  // two sentences
};

FitQuality Evaluate(const Polynomial& f, const std::vector<Pair>& pairs);

// `all` are all pairs of the traces, `fitted` those that the fit was made from. Without known calls
// (PairSet::calls = 0) there are no figures by step and no drift. Throws UserError
// when `fitted` is too small for the fit's degree. `degrees` is the table of these pairs and
// options where it is known already. Deterministic for the same input and options.
Diagnostics Diagnose(const PairSet& all,
                     const PairSet& fitted,
                     const FitOptions& options,
                     const FitSummary& fit,
                     const DiagnosticsOptions& diagnostics = {},
                     const DegreeTable* degrees = nullptr);

}  // namespace teacache
