#pragma once

#include <string>
#include <vector>

#include "runners/denoising_run.h"
#include "runners/models/stdit3.h"

namespace teacache {

// STDiT3 as Open-Sora 1.2 samples it, on latents: batch [cond, uncond], the first half of the
// channels kept before guidance, the reference's rule for forced calls. For golden runs.
class OpenSoraRun : public DenoisingRun {
 public:
  OpenSoraRun(const StDiT3& model,
              StDiT3::Condition condition,
              std::vector<float> timesteps,
              double guidance,
              at::ScalarType dtype)
      : model_(model),
        condition_(std::move(condition)),
        timesteps_(std::move(timesteps)),
        guidance_(guidance),
        dtype_(dtype) {}

  std::vector<std::string> branches() const override { return {"batched"}; }

  Embedding Embed(int call, int, const at::Tensor& latent, bool) override {
    const at::Tensor t = at::full({2}, timesteps_[call], at::kFloat);
    call_ = model_.Embed(at::cat({latent, latent}), t, condition_);
    return {{call_.x}, call_.modulated};
  }
  std::vector<at::Tensor> Blocks(int, int, const std::vector<at::Tensor>& streams) override {
    StDiT3::Call call = call_;
    call.x = streams[0];
    return {model_.Blocks(call, condition_)};
  }
  at::Tensor Head(int, int, const std::vector<at::Tensor>& streams, const at::Tensor&) override {
    return model_.Head(streams[0], call_).chunk(2, 1)[0];
  }
  at::Tensor Guide(const std::vector<at::Tensor>& predictions) override {
    const std::vector<at::Tensor> halves = predictions[0].chunk(2);
    return halves[1] + guidance_ * (halves[0] - halves[1]);
  }
  bool IsFirst(int call, int) const override { return Told(call) == Whole(0); }
  bool IsLast(int call, int calls) const override { return Told(call) == Whole(calls - 1); }

 private:
  // The timestep as the model sees it, and its whole part, with which the reference compares.
  double Told(int call) const {
    return at::full({1}, timesteps_[call], at::kFloat).to(dtype_).item<double>();
  }
  double Whole(int call) const { return static_cast<double>(static_cast<int64_t>(Told(call))); }

  const StDiT3& model_;
  StDiT3::Condition condition_;
  std::vector<float> timesteps_;
  double guidance_;
  at::ScalarType dtype_;
  StDiT3::Call call_;
};

}  // namespace teacache
