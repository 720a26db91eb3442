#pragma once

#include <span>
#include <vector>

#include "calib/fit/polynomial.h"
#include "datasets/base/statistics.h"

namespace teacache {

// Quantile q in [0, 1] with linear interpolation between order statistics (numpy's default).
// `sorted` must be ascending and not empty.
double QuantileOfSorted(std::span<const double> sorted, double q);
double Quantile(std::vector<double> values, double q);

// The central 95 % of bootstrap replicates. Not empty.
Range Interval95(std::vector<double> replicates);

// Linear correlation; 0 where x or y is constant.
double Pearson(std::span<const double> x, std::span<const double> y);

// Pearson of the ranks, ties getting their mean rank.
double Spearman(std::span<const double> x, std::span<const double> y);

// The non-decreasing sequence nearest to `values` in weighted least squares (pool adjacent
// violators).
std::vector<double> IsotonicRegression(std::span<const double> values,
                                       std::span<const double> weights);

}  // namespace teacache
