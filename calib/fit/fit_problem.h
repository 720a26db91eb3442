#pragma once

// The problem of a fit and its parts, with Eigen inside: for calib/fit*.cc and grouped_fit.cc only.

#include <Eigen/Core>
#include <span>
#include <string>
#include <vector>

#include "calib/fit/fit.h"
#include "calib/fit/least_squares.h"

namespace teacache {

// What is solved: min sum w_i rho((y_i - sum theta_k phi_k(x_i))^2), theta_k >= lower_k.
struct Problem {
  std::span<const double> xs;
  std::span<const double> ys;
  std::span<const double> weights;
  FitOptions options;
  Interval x;
  Interval y;
  Basis basis;
  Eigen::VectorXd lower;  // empty = unconstrained

  double weight(size_t i) const { return weights.empty() ? 1.0 : weights[i]; }
};

// Throws UserError for options or data that cannot be fitted.
Problem MakeProblem(std::span<const double> xs,
                    std::span<const double> ys,
                    const FitOptions& options,
                    std::span<const double> weights);

// Coefficients that are free: one less through the origin.
int NumCoefficients(int degree, bool through_origin);

// y - f(x) of all pairs.
std::vector<double> Residuals(const Problem& problem, const Eigen::VectorXd& theta);

// [A | b] of all pairs, weighted, reduced to a triangle; `extra` weights: empty = all 1.
Eigen::MatrixXd ReduceWeighted(const Problem& problem, const std::vector<double>& extra);

// Least squares with extra weights (empty = all 1) and lower bounds (empty = none).
LeastSquaresResult SolveWeighted(const Problem& problem,
                                 const std::vector<double>& extra,
                                 const Eigen::VectorXd& lower);

// d rho / d(r^2) of a loss of width `a`: what a pair with this squared residual counts for.
double RobustWeight(FitOptions::Method method, double squared, double a);

// Width of the loss in standard deviations of the noise: 95 % efficiency for normal noise.
double Tuning(FitOptions::Method method);

struct RobustStart {
  Eigen::VectorXd theta;
  double scale = 0;  // standard deviation of the noise of the pairs that fit
};

// A fit that up to half of the pairs cannot spoil: least trimmed squares from many exact fits to
// few pairs, with a fixed seed.
RobustStart FindRobustStart(const Problem& problem);

struct Solution {
  Eigen::VectorXd theta;
  bool converged = false;
  std::string status = "ok";
  double scale = 0;
  int iterations = 0;
};

// Iteratively reweighted least squares from the robust start, or from `start`.
Solution SolveDirect(const Problem& problem, const Eigen::VectorXd& lower, const FitSummary* start);

// The same by Ceres.
Solution SolveCeres(const Problem& problem, const Eigen::VectorXd& lower);

}  // namespace teacache
