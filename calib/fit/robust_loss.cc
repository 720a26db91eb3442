#include "calib/fit/robust_loss.h"

namespace teacache {
namespace {

// Widths in standard deviations of the noise.
double Tuning(FitOptions::Method method) {
  if (method == FitOptions::Method::kHuber) return 1.345;
  if (method == FitOptions::Method::kCauchy) return 2.3849;
  return 4.6851;  // Tukey
}

}  // namespace

RobustLoss::RobustLoss(FitOptions::Method method, double scale)
    : method_(method), width_(Tuning(method) * scale) {}

void RobustLoss::Evaluate(double s, double rho[3]) const {
  using One = Eigen::Array<double, 1, 1>;
  const One squared(s);
  const One first = First(squared);
  rho[0] = Value(squared)[0];
  rho[1] = first[0];
  rho[2] = Second(squared, first)[0];
}

}  // namespace teacache
