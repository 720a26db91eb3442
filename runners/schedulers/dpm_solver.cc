#include "runners/schedulers/dpm_solver.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr const char* kName = "dpm-solver++";
constexpr int kFewSteps = 15;  // below which the last steps are of lower order

// Descending. One more than `steps` is placed and the lowest left out, except for "trailing".
std::vector<int64_t> WholeTimesteps(const DpmSolverOptions& options) {
  const int train = options.schedule.num_train_timesteps;
  const int steps = options.steps;
  if (steps < 1 || steps >= train) {
    ThrowUserError("--steps", "must be 1 to {} for {} but is {}", train - 1, kName, steps);
  }
  std::vector<int64_t> timesteps;
  for (int i = steps; i >= 1; --i) {
    switch (options.schedule.timestep_spacing) {
      case NoiseSchedule::Spacing::kLinspace:
        timesteps.push_back(std::llrint(std::nearbyint(i * ((train - 1.0) / steps))));
        break;
      case NoiseSchedule::Spacing::kLeading:
        timesteps.push_back(int64_t{i} * (train / (steps + 1)) + options.schedule.steps_offset);
        break;
      case NoiseSchedule::Spacing::kTrailing:
        timesteps.push_back(std::llrint(std::nearbyint(
                                train - (steps - i) * (static_cast<double>(train) / steps))) -
                            1);
        break;
    }
  }
  if (timesteps.front() >= train) {
    ThrowUserError(kName,
                   "steps_offset must not lead beyond the schedule but is {}",
                   options.schedule.steps_offset);
  }
  return timesteps;
}

class DpmSolverScheduler : public Scheduler {
 public:
  explicit DpmSolverScheduler(const DpmSolverOptions& options) : options_(options) {
    if (options.order < 1 || options.order > 3) {
      ThrowUserError(kName, "solver_order must be 1 to 3 but is {}", options.order);
    }
    const at::Tensor alpha_bars = AlphaBars(options.schedule).values();
    const auto level = [&alpha_bars](int64_t t) {  // of DDPM, noise over signal
      const at::Tensor alpha_bar = alpha_bars[t];
      return ((1 - alpha_bar) / alpha_bar).sqrt().item<double>();
    };
    timesteps_ = WholeTimesteps(options);
    const int train = options.schedule.num_train_timesteps;
    for (int i = 0; i < options.steps; ++i) {
      if (!options.flow) {
        sigmas_.push_back(static_cast<float>(level(timesteps_[i])));
        continue;
      }
      const double alpha = 1 + (options.steps - i) * ((1.0 / train - 1) / options.steps);
      const double sigma =
          options.flow_shift * (1 - alpha) / (1 + (options.flow_shift - 1) * (1 - alpha));
      sigmas_.push_back(static_cast<float>(sigma));
      timesteps_[i] = static_cast<int64_t>(sigma * train);
    }
    sigmas_.push_back(options.final_sigma_zero ? 0 : static_cast<float>(level(0)));
  }

  std::string name() const override { return kName; }
  int num_calls() const override { return static_cast<int>(timesteps_.size()); }
  int StepOf(int call) const override { return call; }
  double TimestepOf(int call) const override { return static_cast<double>(timesteps_.at(call)); }

  at::Tensor Step(int call, const at::Tensor& output, const at::Tensor& latent) override {
    originals_.push_front(Original(call, output, latent));
    if (originals_.size() > static_cast<size_t>(options_.order)) originals_.pop_back();
    const at::ScalarType dtype = originals_[0].scalar_type();
    return Next(call, latent.to(at::kFloat)).to(dtype);
  }

 private:
  struct Level {
    double alpha = 0;
    double sigma = 0;
    double lambda() const { return std::log(alpha) - std::log(sigma); }
  };

  Level At(int i) const {
    const double sigma = sigmas_.at(i);
    if (options_.flow) return {1 - sigma, sigma};
    const double alpha = 1 / std::sqrt(sigma * sigma + 1);
    return {alpha, sigma * alpha};
  }

  // Order of the step of a call.
  int OrderOf(int call) const {
    const int calls = num_calls();
    const bool few = options_.lower_order_final && calls < kFewSteps;
    if (call == calls - 1 && (options_.euler_at_final || few || options_.final_sigma_zero))
      return 1;
    const int order = std::min(options_.order, call + 1);
    return call == calls - 2 && few ? std::min(order, 2) : order;
  }

  at::Tensor Next(int call, const at::Tensor& sample) const {
    const Level now = At(call);
    const Level next = At(call + 1);
    const double h = next.lambda() - now.lambda();
    const double e = std::expm1(-h);
    const at::Tensor& m0 = originals_[0];
    const at::Tensor start = sample * (next.sigma / now.sigma) - m0 * (next.alpha * e);
    const int order = OrderOf(call);
    if (order == 1) return start;
    const double r0 = (now.lambda() - At(call - 1).lambda()) / h;
    const at::Tensor d10 = (m0 - originals_[1]) / r0;
    if (order == 2) {
      return options_.midpoint ? start - d10 * (0.5 * next.alpha * e)
                               : start + d10 * (next.alpha * (e / h + 1));
    }
    const double r1 = (At(call - 1).lambda() - At(call - 2).lambda()) / h;
    const at::Tensor d11 = (originals_[1] - originals_[2]) / r1;
    const at::Tensor d1 = d10 + (d10 - d11) * (r0 / (r0 + r1));
    const at::Tensor d2 = (d10 - d11) / (r0 + r1);
    return start + d1 * (next.alpha * (e / h + 1)) - d2 * (next.alpha * ((e + h) / (h * h) - 0.5));
  }

  at::Tensor Original(int call, const at::Tensor& output, const at::Tensor& latent) const {
    const Level now = At(call);
    switch (options_.prediction) {
      case DpmSolverOptions::Prediction::kEpsilon:
        return (latent - output * now.sigma) / now.alpha;
      case DpmSolverOptions::Prediction::kV:
        return latent * now.alpha - output * now.sigma;
      case DpmSolverOptions::Prediction::kFlow:
        return latent - output * static_cast<double>(sigmas_.at(call));
      case DpmSolverOptions::Prediction::kSample:
        break;
    }
    return output;
  }

  DpmSolverOptions options_;
  std::vector<int64_t> timesteps_;
  std::vector<float> sigmas_;         // and that after the last step
  std::deque<at::Tensor> originals_;  // predicted x0 of the last calls, newest first
};

}  // namespace

std::unique_ptr<Scheduler> MakeDpmSolverScheduler(const DpmSolverOptions& options) {
  return std::make_unique<DpmSolverScheduler>(options);
}

}  // namespace teacache
