#include "runners/systems/latte_run.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

namespace teacache {

LatteRun::LatteRun(const LatteT2V& model,
                   const at::Tensor& text,
                   std::vector<double> timesteps,
                   double guidance,
                   at::IntArrayRef latent_shape)
    : model_(model), timesteps_(std::move(timesteps)), guidance_(guidance) {
  const at::NoGradGuard no_grad;
  condition_ = model_.Prepare(text, latent_shape);
}

DenoisingRun::Embedding LatteRun::Embed(int call,
                                        int /*branch*/,
                                        const at::Tensor& latent,
                                        bool with_signal) {
  const bool guided = condition_.text.size(0) == 2;
  const at::Tensor t = at::full({1}, timesteps_.at(call), latent.options().dtype(at::kFloat));
  call_ = model_.Embed(guided ? at::cat({latent, latent}) : latent, t, condition_, with_signal);
  return {{call_.x}, std::move(call_.modulated)};
}

std::vector<at::Tensor> LatteRun::Blocks(int /*call*/,
                                         int /*branch*/,
                                         const std::vector<at::Tensor>& streams) {
  LatteT2V::Call call = call_;
  call.x = streams[0];
  return {model_.Blocks(call, condition_)};
}

at::Tensor LatteRun::Head(int /*call*/,
                          int /*branch*/,
                          const std::vector<at::Tensor>& streams,
                          const at::Tensor& /*latent*/) {
  return model_.Head(streams[0], call_);
}

at::Tensor LatteRun::Guide(const std::vector<at::Tensor>& predictions) {
  at::Tensor guided = predictions[0];
  if (guided.size(0) == 2) {
    const std::vector<at::Tensor> halves = guided.chunk(2);  // [negative, prompt]
    guided = halves[0] + (halves[1] - halves[0]) * guidance_;
  }
  return guided.narrow(1, 0, model_.config().in_channels);
}

bool LatteRun::IsFirst(int call, int /*calls*/) const {
  return timesteps_.at(call) == timesteps_.front();
}

bool LatteRun::IsLast(int call, int /*calls*/) const {
  return timesteps_.at(call) == timesteps_.back();
}

}  // namespace teacache
