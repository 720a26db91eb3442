#include "runners/sampling/forecast.h"

#include <utility>

#include "calib/rules/forecast_weights.h"
#include "runners/sampling/weighted_sum.h"

namespace teacache {

void Forecast::Add(double time, std::vector<at::Tensor> residual) {
  if (!times_.empty() && times_.front() == time) {
    residuals_.front() = std::move(residual);
    return;
  }
  times_.insert(times_.begin(), time);
  residuals_.insert(residuals_.begin(), std::move(residual));
  if (std::ssize(times_) > order_ + 1) {
    times_.pop_back();
    residuals_.pop_back();
  }
}

std::vector<at::Tensor> Forecast::Apply(double time, const std::vector<at::Tensor>& input) const {
  const std::vector<double> weights = ForecastWeights(order_, times_, time);
  std::vector<at::Tensor> output;
  for (size_t stream = 0; stream < input.size(); ++stream) {
    std::vector<at::Tensor> terms;
    for (size_t i = 0; i < weights.size(); ++i) terms.push_back(residuals_[i][stream]);
    output.push_back(WeightedSum(input[stream], terms, weights));
  }
  return output;
}

}  // namespace teacache
