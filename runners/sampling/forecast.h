#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace teacache {

// What is put in for a call whose blocks do not run: their residual (output minus input, for every
// stream), forecast from those of the computed calls before it by the weights of
// calib/rules/forecast_weights.h. The policy decides whether the blocks run; the forecast decides
// what a skipped call gets. One object for each branch of a sample.
//
// Memory: up to order + 1 residuals, each of the size of the blocks' output.
class Forecast {
 public:
  explicit Forecast(int order = 0) : order_(order) {}

  // The residual of a computed call at `time` (Scheduler::TimestepOf). It takes the place of the
  // last one where the scheduler repeats a time.
  void Add(double time, std::vector<at::Tensor> residual);
  // The blocks' output for a skipped call: `input` plus the forecast. At least one call was added.
  std::vector<at::Tensor> Apply(double time, const std::vector<at::Tensor>& input) const;

 private:
  int order_;
  std::vector<double> times_;  // of computed calls, newest first
  std::vector<std::vector<at::Tensor>> residuals_;
};

}  // namespace teacache
