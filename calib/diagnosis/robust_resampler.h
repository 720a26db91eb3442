#pragma once

// Robust fits to many resamples of the same pairs, with Eigen inside.

#include <Eigen/Core>
#include <cstddef>
#include <vector>

#include "calib/fit/fit.h"
#include "calib/fit/least_squares.h"
#include "calib/pairs.h"

namespace teacache {

// Robust fits to thousands of choices of the same pairs, by iteratively reweighted least squares
// from the fit to all of them, whose scale they share. The pairs are kept in coordinates in which
// plain least squares over all of them is the identity, so that normal equations lose no digits:
//   residual = e - Q d,   Q = A R^-1,   e = b - A theta_ls,   theta = theta_ls + R^-1 d
class RobustResampler {
 public:
  // `members` are the pairs of each group, `triangle` is [A | b] of all pairs in `basis`, weighted,
  // reduced; `lower` bounds theta (empty = unconstrained).
  RobustResampler(const std::vector<Pair>& pairs,
                  const std::vector<std::vector<size_t>>& members,
                  const FitOptions& options,
                  const FitSummary& start,
                  const Eigen::MatrixXd& triangle,
                  const Basis& basis,
                  const Eigen::VectorXd& lower);

  // theta of the fit in which group g counts counts[g] times, to a hundred-thousandth of the noise.
  Eigen::VectorXd Solve(const std::vector<int>& counts) const;

 private:
  // Q'WQ and Q'We of some pairs.
  struct Normal {
    Eigen::MatrixXd q;
    Eigen::VectorXd e;
  };
  struct Block {
    Eigen::MatrixXd q;  // [pairs, size]
    Eigen::VectorXd e;
    Eigen::VectorXd weight;  // statistical; empty = all 1
    Normal start;            // with the weights that the fit to all pairs gives them
  };

  Normal ZeroNormal() const;
  void Add(const Block& block, const Eigen::ArrayXd& weights, double count, Normal* normal) const;
  Eigen::ArrayXd Weights(const Block& block, const Eigen::VectorXd& residuals) const;
  Eigen::VectorXd Minimum(const Normal& normal) const;

  FitOptions::Method method_;
  double width_ = 0;
  double tolerance_ = 0;     // of |d|
  Eigen::MatrixXd r_;        // R
  Eigen::MatrixXd inverse_;  // R^-1, or its pseudo-inverse
  Eigen::VectorXd plain_;    // theta_ls
  Eigen::VectorXd lower_;
  std::vector<Block> blocks_;
};

}  // namespace teacache
