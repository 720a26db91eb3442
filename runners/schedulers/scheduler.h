#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace teacache {

// The loop of a diffusion sampler, call by call. "Calls" of the transformer, not steps: some
// schedulers make several calls in one step. One object serves one run, since schedulers may keep
// earlier model outputs.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual std::string name() const = 0;
  virtual int num_calls() const = 0;
  // The denoising step that call `call` belongs to.
  virtual int StepOf(int call) const = 0;
  // What the model gets as timestep, usually in [0, 1000].
  virtual double TimestepOf(int call) const = 0;
  // TimestepOf() of all calls.
  std::vector<double> Timesteps() const {
    std::vector<double> timesteps;
    for (int call = 0; call < num_calls(); ++call) timesteps.push_back(TimestepOf(call));
    return timesteps;
  }
  // The next latent, from the guided model output of call `call`. Calls must come in order.
  virtual at::Tensor Step(int call, const at::Tensor& output, const at::Tensor& latent) = 0;
};

}  // namespace teacache
