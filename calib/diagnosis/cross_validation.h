#pragma once

#include <string>
#include <vector>

#include "calib/fit/fit.h"
#include "calib/pairs.h"

namespace teacache {

// Errors on pairs that were not used for the fit, each group of pairs left out once. r2 compares
// with the mean of all y, so it can be negative. Groups are prompts; of a single prompt, runs; of a
// single run, every tenth call.
struct CrossValidation {
  std::string name;  // "constant", "line", "step", "degree 4", ...
  double r2 = 0;
  double rmse = 0;
  double mae = 0;
};

// What predictions are compared by: RMSE, for robust fits MAE, since a squared outlier would drown
// everything else.
double ErrorOf(const CrossValidation& cv, const FitOptions& options);

CrossValidation CrossValidate(const PairSet& pairs, const FitOptions& options);

// Predicts y by the mean y of the same call number and branch in the other groups, for robust
// methods by the median.
CrossValidation CrossValidateSteps(const PairSet& pairs, const FitOptions& options = {});

// All degrees from 1 that the pairs determine, fitted as `options` say, cross-validated.
struct DegreeTable {
  std::vector<CrossValidation> degrees;  // "degree 1", "degree 2", ...
  // [degree - 1][group]: sum over the pairs left out of squared errors, for robust fits of absolute
  // ones.
  std::vector<std::vector<double>> errors;
  double rounding = 0;  // errors below it are of the arithmetic, and no degree's fault
};
DegreeTable CrossValidateDegrees(const PairSet& pairs, const FitOptions& options, int max_degree);

// The smallest degree whose error is not distinguishable from the best one's: within one standard
// error of the difference over groups, or within 1 % in RMSE (MAE). Only degrees up to `highest`.
int ChooseDegree(const DegreeTable& table, int highest = 1000);

// The highest degree that the pairs' different x can bear. Where the same few x come back in every
// prompt (a time signal), leaving prompts out does not show what f does between them: there must be
// three different x for each coefficient, and the fit to all pairs must not leave, between two
// neighbours, the values at them by more than the noise. At least 1.
int HighestBearableDegree(const PairSet& pairs, const FitOptions& options, int max_degree);

// Throws UserError when the degree's error is more than 5 % above a lower degree's.
void RefuseWorseDegree(const DegreeTable& table, const FitOptions& options);

}  // namespace teacache
