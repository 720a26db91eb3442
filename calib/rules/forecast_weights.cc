#include "calib/rules/forecast_weights.h"

#include <algorithm>
#include <cmath>

#include "datasets/base/error.h"

namespace teacache {

void CheckForecastOrder(int order) {
  if (order < 0 || order > kMaxForecastOrder) {
    ThrowUserError("--forecast",
                   "must be 0 (the last residual), 1 (linear) or 2 (quadratic) but is {}",
                   order);
  }
}

std::vector<double> ForecastWeights(int order, const std::vector<double>& times, double time) {
  // Lagrange's form of P.
  const size_t nodes = std::min<size_t>(order + 1, times.size());
  if (nodes > 1) {
    const double reach = std::abs(times[0] - times[1]);
    time = std::clamp(time, times[0] - reach, times[0] + reach);
  }
  std::vector<double> weights(nodes, 1.0);
  for (size_t i = 0; i < nodes; ++i) {
    for (size_t j = 0; j < nodes; ++j) {
      if (j != i) weights[i] *= (time - times[j]) / (times[i] - times[j]);
    }
  }
  return weights;
}

}  // namespace teacache
