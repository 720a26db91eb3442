#pragma once

// Eigen inside: for calib/fit/fit_ceres.cc only (and its test).

#include <Eigen/Core>

#include "calib/fit/fit_problem.h"

namespace teacache {

// A robust loss summed over all pairs, with its derivatives, in one pass over the data:
//   cost(theta) = 1/2 sum w_i rho(r_i^2),   r_i = phi_i theta - y_i,   h_i = rho' + 2 r_i^2 rho''
//   gradient    = sum w_i rho' r_i phi_i,   Hessian = sum w_i h_i phi_i phi_i'
// The pairs are kept in coordinates in which plain least squares is the identity (phi = q R), so
// that sums over q lose no digits whatever the basis.
class RobustCost {
 public:
  RobustCost(const Problem& problem, double width);

  double Cost(const Eigen::VectorXd& theta) const;

  // A least-squares problem |f + J delta|^2 / 2 that stands for the cost around theta: the same
  // gradient J'f and the same curvature J'J = Hessian, or, where that is not positive, the larger
  // one of reweighted least squares, sum w_i rho' phi_i phi_i'. |f|^2 / 2 is at most the cost.
  struct Model {
    double cost = 0;
    Eigen::VectorXd f;
    Eigen::MatrixXd j;
  };
  Model Evaluate(const Eigen::VectorXd& theta) const;

 private:
  static constexpr Eigen::Index kBlock = 512;  // pairs that are worked on at once, in cache

  Eigen::ArrayXd SquaredResiduals(const Eigen::VectorXd& d,
                                  Eigen::Index begin,
                                  Eigen::Index count,
                                  Eigen::ArrayXd* residuals) const;
  double SumOfLoss(const Eigen::ArrayXd& squared, Eigen::Index begin) const;

  FitOptions::Method method_;
  double width_;
  Eigen::MatrixXd r_;       // R
  Eigen::VectorXd plain_;   // theta of plain least squares
  Eigen::MatrixXd q_;       // [pairs, size]
  Eigen::VectorXd e_;       // phi plain - y
  Eigen::VectorXd weight_;  // statistical; empty = all 1
};

}  // namespace teacache
