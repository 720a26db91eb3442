#pragma once

#include <Eigen/Core>

#include "calib/fit/fit_problem.h"

namespace teacache {

// All fits by Ceres: least squares, robust losses (from the robust start), lower bounds.
Solution SolveCeres(const Problem& problem, const Eigen::VectorXd& lower);

}  // namespace teacache
