#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "datasets/base/choices.h"

namespace teacache {

// How f is fitted to pairs (x, y).
struct FitOptions {
  enum class Method {
    kPolyfit,  // least squares by QR in powers of x: the algorithm of numpy.polyfit
    kCeres,    // least squares by Ceres: the same answer, to more digits
    kHuber,    // Ceres with a robust loss (RobustLoss); its width follows the scatter of the data
    kCauchy,
    kTukey,
  };
  Method method = Method::kCeres;
  int degree = 4;               // 0 to 12
  bool through_origin = false;  // f(0) = 0
  // Constraints on `range`, kept by a Bernstein form whose coefficients are bounded below:
  // sufficient, and for high degrees slightly stricter than the constraint itself.
  bool non_negative = false;  // f >= 0
  bool monotone = false;      // f' >= 0
  // Range of the constraints; unset = the observed x (from 0 if through_origin).
  std::optional<Interval> range = std::nullopt;

  bool constrained() const { return non_negative || monotone; }
  bool robust() const { return method >= Method::kHuber; }
  // Throws UserError for a degree out of range, an empty range, or through_origin with a range that
  // does not begin at 0.
  void Validate() const;
};

// What came out. All figures are of the pairs that were fitted, unweighted.
struct FitSummary {
  Polynomial polynomial;
  FitOptions::Method method = FitOptions::Method::kCeres;
  bool converged = false;
  std::string status;  // "ok", or what was wrong: "rank 4 of 5: ..."
  int64_t n = 0;
  Interval x;  // observed
  Interval y;
  double r2 = 0;    // 1 - SSE/SST; 0 where y is constant
  double rmse = 0;  // sqrt(SSE / n)
  // Of the least-squares matrix in the basis that was solved (columns scaled to length 1): digits
  // lost are about its log10.
  double condition_number = 0;
  int rank = 0;
  double scale = 0;             // robust methods: the standard deviation of the inliers' noise
  int64_t outliers = 0;         // robust methods: pairs that count for less than half
  double round_trip_error = 0;  // constrained fits: max |exported power form - Bernstein form|
  int iterations = 0;           // of the solver; 0 for direct ones

  std::string BriefReport() const;
};

// Least squares over all pairs, min sum w_i (y_i - f(x_i))^2, by Householder QR in one pass over
// the data and the pseudo-inverse of the small triangle, columns scaled and singular values cut as
// numpy.polyfit does (https://numpy.org/doc/stable/reference/generated/numpy.polyfit.html; its `w`
// is sqrt of the weights here). Memory does not grow with the number of pairs. Throws UserError for
// lengths that differ, values that are not finite, fewer pairs or fewer different x than
// coefficients.
FitSummary FitPolynomialQr(std::span<const double> xs,
                           std::span<const double> ys,
                           int degree,
                           std::span<const double> weights = {},
                           bool through_origin = false);

// The methods of FitOptions, by Ceres except kPolyfit without constraints. `weights` are
// statistical weights >= 0, one per pair; empty = all 1. Throws UserError as FitPolynomialQr. The
// summary reports whether the solver converged.
FitSummary FitPolynomial(std::span<const double> xs,
                         std::span<const double> ys,
                         const FitOptions& options,
                         std::span<const double> weights = {});

// The second implementation of the same problems, without Ceres' solver: QR, iteratively reweighted
// and non-negative (Lawson and Hanson) least squares. Tested to agree to 1e-10; used where
// thousands of fits are needed. `start` (robust methods) is a fit to begin with instead of the
// search for one.
FitSummary FitPolynomialDirect(std::span<const double> xs,
                               std::span<const double> ys,
                               const FitOptions& options,
                               std::span<const double> weights = {},
                               const FitSummary* start = nullptr);

inline constexpr Choices<FitOptions::Method, 5> kFitMethods = {{
    {"polyfit", FitOptions::Method::kPolyfit},
    {"ceres", FitOptions::Method::kCeres},
    {"huber", FitOptions::Method::kHuber},
    {"cauchy", FitOptions::Method::kCauchy},
    {"tukey", FitOptions::Method::kTukey},
}};
std::string ToString(FitOptions::Method method);

// R2 of f on pairs: 1 - SSE / SST around the mean of y.
double RSquared(const Polynomial& f, std::span<const double> xs, std::span<const double> ys);

}  // namespace teacache
