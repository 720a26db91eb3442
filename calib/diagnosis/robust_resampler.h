#pragma once

#include <Eigen/Core>
#include <vector>

#include "calib/fit/robust_cost.h"

namespace teacache {

// Robust fits to thousands of choices of the same pairs, by iteratively reweighted least squares
// from the fit to all of them, whose scale they share.
class RobustResampler {
 public:
  // `problem` has the pairs group after group; group g begins at begins[g], and begins.back() is
  // the number of pairs. `start` is the fit to all of them.
  RobustResampler(const Problem& problem,
                  std::vector<Eigen::Index> begins,
                  const FitSummary& start);

  // theta of the fit in which group g counts counts[g] times, to a hundred-thousandth of the noise.
  Eigen::VectorXd Solve(const std::vector<int>& counts) const;

 private:
  Eigen::VectorXd Minimum(const RobustCost::Normal& normal) const;

  RobustCost cost_;
  std::vector<Eigen::Index> begins_;
  Eigen::VectorXd lower_;
  double tolerance_;                       // of |d|
  std::vector<RobustCost::Normal> start_;  // of each group, with the weights of the start
};

}  // namespace teacache
