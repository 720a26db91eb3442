#include "runners/schedulers/flow_euler.h"

#include <ATen/Functions.h>

namespace teacache {
namespace {

constexpr const char* kName = "flow-euler";

std::vector<double> OwnSigmas(const FlowEulerOptions& options) {
  const auto shifted = [&](double sigma) {
    if (options.shift.dynamic) return sigma;
    return options.shift.shift * sigma / (1 + (options.shift.shift - 1) * sigma);
  };
  const double first = shifted(1);
  const double last = shifted(1.0 / options.num_train_timesteps);
  const int steps = options.sigmas.steps;
  std::vector<double> sigmas;
  for (int i = 0; i < steps; ++i) {
    sigmas.push_back(steps == 1 ? first : first + i * (last - first) / (steps - 1));
  }
  return sigmas;
}

class FlowEulerScheduler : public Scheduler {
 public:
  explicit FlowEulerScheduler(const FlowEulerOptions& options) {
    const std::optional<std::vector<double>> given = options.sigmas.Values();
    const std::vector<double> shifted =
        options.shift.Apply(given ? *given : OwnSigmas(options), options.sigmas.mu, kName);
    for (const double sigma : shifted) {
      sigmas_.push_back(static_cast<float>(options.invert_sigmas ? 1 - sigma : sigma));
      timesteps_.push_back(sigmas_.back() * static_cast<float>(options.num_train_timesteps));
    }
    sigmas_.push_back(options.invert_sigmas ? 1 : 0);
  }

  std::string name() const override { return kName; }
  int num_calls() const override { return static_cast<int>(timesteps_.size()); }
  int StepOf(int call) const override { return call; }
  double TimestepOf(int call) const override { return timesteps_.at(call); }

  at::Tensor Step(int call, const at::Tensor& output, const at::Tensor& latent) override {
    const double dt = sigmas_.at(call + 1) - sigmas_.at(call);
    return (latent.to(at::kFloat) + output * dt).to(output.scalar_type());
  }

 private:
  std::vector<float> sigmas_;  // and that after the last step
  std::vector<float> timesteps_;
};

}  // namespace

std::unique_ptr<Scheduler> MakeFlowEulerScheduler(const FlowEulerOptions& options) {
  return std::make_unique<FlowEulerScheduler>(options);
}

}  // namespace teacache
