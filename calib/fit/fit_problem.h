#pragma once

#include <Eigen/Core>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calib/fit/fit.h"
#include "calib/fit/least_squares.h"

namespace teacache {

// What a fit solves: min sum w_i rho((y_i - sum theta_k phi_k(x_i))^2), theta_k >= lower_k.
struct Problem {
  std::span<const double> xs;
  std::span<const double> ys;
  std::span<const double> weights;
  FitOptions options;
  Interval x;
  Interval y;
  Basis basis;
  Eigen::VectorXd lower;     // empty = unconstrained
  Eigen::MatrixXd triangle;  // [A | b] of all pairs, weighted, reduced (ReduceWeighted)

  double weight(size_t i) const { return weights.empty() ? 1.0 : weights[i]; }
};

// In `basis`, or in the one that suits the options. Throws UserError for options or data that
// cannot be fitted.
Problem MakeProblem(std::span<const double> xs,
                    std::span<const double> ys,
                    const FitOptions& options,
                    std::span<const double> weights,
                    const std::optional<Basis>& basis = std::nullopt);

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

// What a solver found.
struct Solution {
  Eigen::VectorXd theta;
  bool converged = false;
  std::string status = "ok";
  double scale = 0;  // robust methods: standard deviation of the noise
  int iterations = 0;
};

}  // namespace teacache
