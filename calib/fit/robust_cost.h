#pragma once

#include <Eigen/Core>

#include "calib/fit/fit_problem.h"
#include "calib/fit/robust_loss.h"

namespace teacache {

// A robust loss summed over all pairs, with its derivatives, in one pass over the data:
//   cost(theta) = 1/2 sum w_i rho(r_i^2),   r_i = y_i - phi_i theta,   h_i = rho' + 2 r_i^2 rho''
//   gradient    = - sum w_i rho' r_i phi_i,   Hessian = sum w_i h_i phi_i phi_i'
// The pairs are kept in coordinates in which plain least squares over all of them is the identity,
// so that sums over q lose no digits whatever the basis:
//   phi = q R,   r = e - q d,   theta = plain + R^-1 d
class RobustCost {
 public:
  RobustCost(const Problem& problem, const RobustLoss& loss);

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

  // The coordinates, and the normal equations of reweighted least squares over some of the pairs.
  const Eigen::MatrixXd& r() const { return r_; }
  const Eigen::VectorXd& plain() const { return plain_; }
  Eigen::VectorXd ToD(const Eigen::VectorXd& theta) const { return r_ * (theta - plain_); }
  Eigen::VectorXd ToTheta(const Eigen::VectorXd& d) const { return plain_ + inverse_ * d; }
  struct Normal {
    Eigen::MatrixXd gram;  // sum w_i rho' q_i q_i', lower triangle only
    Eigen::VectorXd e;     // sum w_i rho' q_i e_i
  };
  Normal ZeroNormal() const;
  Eigen::ArrayXd Residuals(const Eigen::VectorXd& d, Eigen::Index begin, Eigen::Index count) const;
  // Adds `times` the sums over count pairs, whose residuals give the weights.
  void AddReweighted(const Eigen::ArrayXd& residuals,
                     Eigen::Index begin,
                     double times,
                     Normal* normal) const;

 private:
  Eigen::ArrayXd Weighted(Eigen::ArrayXd values, Eigen::Index begin) const;

  RobustLoss loss_;
  Eigen::MatrixXd r_;        // R
  Eigen::MatrixXd inverse_;  // R^-1, or its pseudo-inverse
  Eigen::VectorXd plain_;    // theta of plain least squares
  Eigen::MatrixXd q_;        // [pairs, size]
  Eigen::VectorXd e_;        // y - phi plain
  Eigen::VectorXd weight_;   // statistical; empty = all 1
};

}  // namespace teacache
