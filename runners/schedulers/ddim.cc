#include "runners/schedulers/ddim.h"

#include <ATen/Functions.h>

#include <algorithm>

namespace teacache {
namespace {

class DdimScheduler : public Scheduler {
 public:
  explicit DdimScheduler(const DdimOptions& options)
      : options_(options),
        timesteps_(DdimTimesteps(options)),
        alpha_bars_(options.schedule),
        ratio_(options.schedule.num_train_timesteps / options.steps) {}

  std::string name() const override { return "ddim"; }
  int num_calls() const override { return static_cast<int>(timesteps_.size()); }
  int StepOf(int call) const override { return call; }
  double TimestepOf(int call) const override { return timesteps_.at(call); }

  at::Tensor Step(int call, const at::Tensor& output, const at::Tensor& latent) override {
    const int t = timesteps_.at(call);
    const at::Tensor alpha_bar = alpha_bars_.At(t);
    const at::Tensor next = alpha_bars_.At(t - ratio_);
    at::Tensor original, epsilon;
    switch (options_.prediction) {
      case DdimOptions::Prediction::kEpsilon:
        epsilon = output;
        original = PredictOriginal(latent, output, alpha_bar);
        break;
      case DdimOptions::Prediction::kSample:
        original = output;
        epsilon = (latent - alpha_bar.sqrt() * output) / (1 - alpha_bar).sqrt();
        break;
      case DdimOptions::Prediction::kV:
        original = alpha_bar.sqrt() * latent - (1 - alpha_bar).sqrt() * output;
        epsilon = alpha_bar.sqrt() * output + (1 - alpha_bar).sqrt() * latent;
        break;
    }
    if (options_.clip) original = original.clamp(-*options_.clip, *options_.clip);
    return next.sqrt() * original + (1 - next).sqrt() * epsilon;
  }

 private:
  DdimOptions options_;
  std::vector<int> timesteps_;
  AlphaBars alpha_bars_;
  int ratio_;
};

}  // namespace

std::vector<int> DdimTimesteps(const DdimOptions& options) {
  std::vector<int> timesteps = SpacedTimesteps(options.schedule, options.steps, 1, "ddim");
  std::reverse(timesteps.begin(), timesteps.end());
  return timesteps;
}

at::Tensor PredictOriginal(const at::Tensor& sample,
                           const at::Tensor& epsilon,
                           const at::Tensor& alpha_bar) {
  return (sample - (1 - alpha_bar).sqrt() * epsilon) / alpha_bar.sqrt();
}

std::unique_ptr<Scheduler> MakeDdimScheduler(const DdimOptions& options) {
  return std::make_unique<DdimScheduler>(options);
}

}  // namespace teacache
