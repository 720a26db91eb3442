#pragma once

#include <Eigen/Core>

#include "calib/fit/fit_problem.h"

namespace teacache {

struct RobustStart {
  Eigen::VectorXd theta;
  double scale = 0;  // standard deviation of the noise of the pairs that fit
};

// Where all robust fits begin: a fit that up to half of the pairs cannot spoil, least trimmed
// squares from many exact fits to few pairs, with a fixed seed.
RobustStart FindRobustStart(const Problem& problem);

}  // namespace teacache
