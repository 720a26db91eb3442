#include "runners/schedulers/rflow.h"

#include <ATen/Functions.h>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr float kTimesteps = 1000;

// 17 frames become 5 latent frames; an image is one.
at::Tensor LatentFrames(const at::Tensor& num_frames) {
  if (num_frames.item<double>() == 1) return at::ones_like(num_frames);
  return at::floor_divide(num_frames, 17) * 5;
}

at::Tensor ShiftRatio(const RflowOptions::Shift& shift) {
  // In float16 height times width overflows from about 256x256 on.
  const at::ScalarType dtype = shift.dtype == at::kHalf ? at::kFloat : shift.dtype;
  const auto scalar = [&](double value) { return at::full({1}, value, dtype); };
  const at::Tensor space = (scalar(shift.height) * scalar(shift.width) / (512 * 512)).sqrt();
  return space * LatentFrames(scalar(shift.num_frames)).sqrt();
}

class RflowScheduler : public Scheduler {
 public:
  explicit RflowScheduler(const RflowOptions& options) : timesteps_(RflowTimesteps(options)) {}

  std::string name() const override { return "rflow"; }
  int num_calls() const override { return static_cast<int>(timesteps_.size()); }
  int StepOf(int call) const override { return call; }
  double TimestepOf(int call) const override { return timesteps_.at(call); }

  at::Tensor Step(int call, const at::Tensor& output, const at::Tensor& latent) override {
    const float next = call + 1 < num_calls() ? timesteps_[call + 1] : 0;
    const float dt = (timesteps_.at(call) - next) / kTimesteps;
    return latent + output * dt;
  }

 private:
  std::vector<float> timesteps_;
};

}  // namespace

void RflowOptions::Validate() const {
  if (steps < 1) ThrowUserError("rflow", "steps must be at least 1 but is {}", steps);
  if (shift && !(shift->height > 0 && shift->width > 0 && shift->num_frames >= 1)) {
    ThrowUserError("rflow", "the shift needs a height, a width and a number of frames above 0");
  }
}

std::vector<float> RflowTimesteps(const RflowOptions& options) {
  options.Validate();
  std::vector<float> timesteps;
  for (int i = 0; i < options.steps; ++i) {
    // In double, then one rounding, as Python makes the list.
    const double t = (1.0 - static_cast<double>(i) / options.steps) * kTimesteps;
    timesteps.push_back(static_cast<float>(t));
  }
  if (!options.shift) return timesteps;
  const at::Tensor ratio = ShiftRatio(*options.shift);
  for (float& timestep : timesteps) {
    const at::Tensor t = at::full({1}, timestep, at::kFloat) / kTimesteps;
    const at::Tensor shifted = ratio * t / ((ratio - 1) * t + 1) * kTimesteps;
    timestep = shifted.to(at::kFloat).item<float>();
  }
  return timesteps;
}

std::unique_ptr<Scheduler> MakeRflowScheduler(const RflowOptions& options) {
  return std::make_unique<RflowScheduler>(options);
}

}  // namespace teacache
