#pragma once

#include <Eigen/Core>

#include "calib/fit/fit_problem.h"

namespace teacache {

// The second implementation of all fits, without Ceres' solver: QR, active sets for bounds, and
// iteratively reweighted least squares for robust losses, from the robust start or from `start`.
Solution SolveDirect(const Problem& problem, const Eigen::VectorXd& lower, const FitSummary* start);

}  // namespace teacache
