#include "runners/schedulers/pndm.h"

#include <ATen/Functions.h>

#include <deque>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr int kOrder = 4;                            // of both methods
constexpr int kWarmUpCalls = kOrder * (kOrder - 1);  // Runge-Kutta

class PndmScheduler : public Scheduler {
 public:
  explicit PndmScheduler(const PndmOptions& options)
      : timesteps_(PndmTimesteps(options)),
        alpha_bars_(options.schedule),
        ratio_(options.schedule.num_train_timesteps / options.steps) {}

  std::string name() const override { return "pndm"; }
  int num_calls() const override { return static_cast<int>(timesteps_.size()); }
  int StepOf(int call) const override {
    return call < kWarmUpCalls ? call / kOrder : call - kWarmUpCalls + kOrder - 1;
  }
  double TimestepOf(int call) const override { return timesteps_.at(call); }

  at::Tensor Step(int call, const at::Tensor& output, const at::Tensor& latent) override {
    return call < kWarmUpCalls ? RungeKutta(call, output, latent) : Multistep(call, output, latent);
  }

 private:
  // Every stage starts from the sample and timestep of the step's first call.
  at::Tensor RungeKutta(int call, const at::Tensor& output, const at::Tensor& latent) {
    const int stage = call % kOrder;
    at::Tensor slope = output;
    if (stage == 0) {
      sum_ = output * (1.0 / 6);
      outputs_.push_back(output);
      start_ = latent;
    } else if (stage < kOrder - 1) {
      sum_ = sum_ + output * (1.0 / 3);
    } else {
      slope = sum_ + output * (1.0 / 6);
    }
    const int next = timesteps_[call] - (call % 2 == 0 ? ratio_ / 2 : 0);
    return Move(start_, slope, timesteps_[call - stage], next);
  }

  at::Tensor Multistep(int call, const at::Tensor& output, const at::Tensor& latent) {
    outputs_.push_back(output);
    if (outputs_.size() > kOrder) outputs_.pop_front();
    const at::Tensor slope =
        (55 * outputs_[3] - 59 * outputs_[2] + 37 * outputs_[1] - 9 * outputs_[0]) * (1.0 / 24);
    return Move(latent, slope, timesteps_.at(call), timesteps_[call] - ratio_);
  }

  // Equation 11 of the paper: from timestep t to `next` along `epsilon`.
  at::Tensor Move(const at::Tensor& sample, const at::Tensor& epsilon, int t, int next) const {
    const at::Tensor a = alpha_bars_.At(t);
    const at::Tensor b = alpha_bars_.At(next);
    const at::Tensor scale = a * (1 - b).sqrt() + (a * (1 - a) * b).sqrt();
    return (b / a).sqrt() * sample - (b - a) * epsilon / scale;
  }

  std::vector<int> timesteps_;
  AlphaBars alpha_bars_;
  int ratio_;
  at::Tensor start_;                // sample of the current Runge-Kutta step
  at::Tensor sum_;                  // of its weighted outputs
  std::deque<at::Tensor> outputs_;  // of the last steps, oldest first
};

}  // namespace

std::vector<int> PndmTimesteps(const PndmOptions& options) {
  if (options.schedule.timestep_spacing != NoiseSchedule::Spacing::kLeading) {
    ThrowUserError("pndm", "timestep_spacing must be leading");
  }
  const std::vector<int> ascending =
      SpacedTimesteps(options.schedule, options.steps, kOrder, "pndm");
  const int ratio = options.schedule.num_train_timesteps / options.steps;
  const auto timestep = [&](int step) { return ascending[options.steps - 1 - step]; };
  std::vector<int> timesteps;
  for (int step = 0; step < kOrder - 1; ++step) {
    const int middle = timestep(step + 1) + ratio / 2;
    for (const int t : {timestep(step), middle, middle, timestep(step + 1)}) timesteps.push_back(t);
  }
  for (int step = kOrder - 1; step < options.steps; ++step) timesteps.push_back(timestep(step));
  return timesteps;
}

std::unique_ptr<Scheduler> MakePndmScheduler(const PndmOptions& options) {
  return std::make_unique<PndmScheduler>(options);
}

}  // namespace teacache
