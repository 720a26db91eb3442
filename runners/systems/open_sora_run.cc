#include "runners/systems/open_sora_run.h"

#include <ATen/Functions.h>

#include <cmath>

namespace teacache {

std::vector<double> TimestepsAsTold(const std::vector<float>& timesteps, at::ScalarType dtype) {
  std::vector<double> told;
  for (const float t : timesteps) {
    told.push_back(at::full({1}, t, at::kFloat).to(dtype).item<double>());
  }
  return told;
}

bool IsWholePartOf(double told, double other) { return told == std::trunc(other); }

OpenSoraRun::OpenSoraRun(const StDiT3& model,
                         StDiT3::Condition condition,
                         const std::vector<float>& timesteps,
                         double guidance)
    : model_(model),
      condition_(std::move(condition)),
      timesteps_(timesteps),
      told_(TimestepsAsTold(timesteps, model.dtype())),
      guidance_(guidance) {}

DenoisingRun::Embedding OpenSoraRun::Embed(int call,
                                           int /*branch*/,
                                           const at::Tensor& latent,
                                           bool with_signal) {
  const int64_t batch = condition_.y.size(0);
  const at::Tensor t = at::full({batch}, timesteps_[call], latent.options().dtype(at::kFloat));
  call_ = model_.Embed(latent.expand({batch, -1, -1, -1, -1}), t, condition_);
  Embedding embedding;
  embedding.streams = {call_.x};
  if (with_signal) embedding.modulated = model_.ModulatedInput(call_);
  return embedding;
}

std::vector<at::Tensor> OpenSoraRun::Blocks(int /*call*/,
                                            int /*branch*/,
                                            const std::vector<at::Tensor>& streams) {
  StDiT3::Call call = call_;
  call.x = streams[0];
  return {model_.Blocks(call, condition_)};
}

at::Tensor OpenSoraRun::Head(int /*call*/,
                             int /*branch*/,
                             const std::vector<at::Tensor>& streams,
                             const at::Tensor& /*latent*/) {
  const at::Tensor out = model_.Head(streams[0], call_);
  return model_.config().pred_sigma ? out.chunk(2, 1)[0] : out;
}

at::Tensor OpenSoraRun::Guide(const std::vector<at::Tensor>& predictions) {
  if (predictions[0].size(0) == 1) return predictions[0];
  const std::vector<at::Tensor> halves = predictions[0].chunk(2);
  return halves[1] + guidance_ * (halves[0] - halves[1]);
}

bool OpenSoraRun::IsFirst(int call, int /*calls*/) const {
  return IsWholePartOf(told_[call], told_.front());
}

bool OpenSoraRun::IsLast(int call, int /*calls*/) const {
  return IsWholePartOf(told_[call], told_.back());
}

}  // namespace teacache
