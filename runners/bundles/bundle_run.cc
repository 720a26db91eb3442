#include "runners/bundles/bundle_run.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using Mode = BundleGuidance::Mode;
using Formula = BundleGuidance::Formula;

constexpr const char* kCond = "cond";
constexpr const char* kEmbedded = "guidance";  // the argument

}  // namespace

const BundleModel& Bundle::ModelAt(double timestep) const {
  if (models.size() == 1) return models.begin()->second;
  return models.at(timestep >= boundary ? "high" : "low");
}

BundleRun::BundleRun(const Bundle& bundle,
                     const BundlePrompts& prompts,
                     const std::string& prompt,
                     std::vector<double> timesteps,
                     std::map<std::string, double> scales,
                     at::Device device)
    : bundle_(bundle),
      passes_(bundle.manifest.guidance.passes),
      timesteps_(std::move(timesteps)),
      scales_(std::move(scales)),
      device_(device) {
  const at::NoGradGuard no_grad;
  const bool without = std::ranges::all_of(scales_, [](const auto& s) { return s.second == 1; });
  if (bundle.manifest.guidance.mode == Mode::kCalls && without) passes_ = {kCond};
  for (const auto& [name, model] : bundle.models) {
    for (const std::string& pass : passes_) {
      Pass state;
      for (const auto& [argument, tensor] : prompts.At(prompt, pass)) {
        state.prepared[argument] = tensor.to(device);
      }
      if (bundle.manifest.guidance.mode == Mode::kEmbedded) {
        at::Tensor& guidance = state.prepared.at(kEmbedded);
        guidance = guidance * scales_.at(name);
      }
      if (model.expert().Find("prepare") != nullptr) model.Run("prepare", &state.prepared);
      state_[name].push_back(std::move(state));
    }
  }
}

std::vector<std::string> BundleRun::branches() const {
  // As traces name one pass for both halves.
  return bundle_.manifest.guidance.mode == Mode::kBatched ? std::vector<std::string>{"batched"}
                                                          : passes_;
}

std::string BundleRun::ExpertOf(int call) const {
  return bundle_.ModelAt(timesteps_.at(call)).expert().name;
}

BundleRun::Pass& BundleRun::PassOf(int call, int branch) {
  return state_.at(ExpertOf(call)).at(branch);
}

DenoisingRun::Embedding BundleRun::Embed(int call,
                                         int branch,
                                         const at::Tensor& latent,
                                         bool with_signal) {
  const BundleModel& model = bundle_.ModelAt(timesteps_.at(call));
  const BundleExpert& expert = model.expert();
  const BundleManifest& manifest = bundle_.manifest;
  call_ = call;
  Pass& pass = PassOf(call, branch);
  pass.values = pass.prepared;
  const at::ScalarType dtype = ToScalarType(expert.tensors.at(expert.roles.latent).dtype);
  at::Tensor given = latent.to(dtype);
  if (manifest.guidance.batch == 2) given = at::cat({given, given});
  pass.values[expert.roles.latent] = given.contiguous();
  pass.values[expert.roles.time] =
      at::full(manifest.time.shape,
               timesteps_.at(call) * manifest.time_factor,
               at::TensorOptions(ToScalarType(manifest.time.dtype)).device(device_));
  model.Run("embed", &pass.values);
  Embedding embedding;
  embedding.streams = {pass.values.at(expert.roles.h0)};
  if (with_signal) embedding.modulated = pass.values.at(expert.roles.modulated);
  return embedding;
}

std::vector<at::Tensor> BundleRun::Blocks(int call,
                                          int branch,
                                          const std::vector<at::Tensor>& streams) {
  return OtherBlocks(call, branch, FirstBlock(call, branch, streams));
}

std::vector<at::Tensor> BundleRun::FirstBlock(int call,
                                              int branch,
                                              const std::vector<at::Tensor>& streams) {
  const BundleModel& model = bundle_.ModelAt(timesteps_.at(call));
  TensorMap& values = PassOf(call, branch).values;
  values[model.expert().roles.h0] = streams[0];
  model.Run("first", &values);
  return {values.at(model.expert().roles.first)};
}

std::vector<at::Tensor> BundleRun::OtherBlocks(int call,
                                               int branch,
                                               const std::vector<at::Tensor>& streams) {
  const BundleModel& model = bundle_.ModelAt(timesteps_.at(call));
  const BundleRoles& roles = model.expert().roles;
  Pass& pass = PassOf(call, branch);
  pass.values[roles.first] = streams[0];
  model.Run("blocks", &pass.values);
  for (const std::string& name : roles.kept) pass.kept[name] = pass.values.at(name);
  return {pass.values.at(roles.h1)};
}

at::Tensor BundleRun::Head(int call,
                           int branch,
                           const std::vector<at::Tensor>& streams,
                           const at::Tensor& latent) {
  const BundleModel& model = bundle_.ModelAt(timesteps_.at(call));
  const BundleRoles& roles = model.expert().roles;
  Pass& pass = PassOf(call, branch);
  pass.values[roles.h1] = streams[0].contiguous();
  // Of a skipped call; what a first block that ran gave stays.
  for (const auto& [name, tensor] : pass.kept) pass.values.try_emplace(name, tensor);
  model.Run("head", &pass.values);
  at::Tensor output = pass.values.at(roles.output);
  pass.values.clear();
  // Models that predict a variance give twice the channels.
  if (output.dim() == latent.dim() && output.dim() > 1 && output.size(1) == 2 * latent.size(1)) {
    output = output.narrow(1, 0, latent.size(1));
  }
  return output.to(ToScalarType(bundle_.manifest.prediction_dtype));
}

at::Tensor BundleRun::Guide(const std::vector<at::Tensor>& predictions) {
  const BundleGuidance& guidance = bundle_.manifest.guidance;
  const double scale = scales_.at(ExpertOf(call_));
  if (guidance.mode == Mode::kBatched) {
    const std::vector<at::Tensor> halves = predictions[0].chunk(2);
    return MixGuidance(guidance.formula, halves[1], halves[0], scale);
  }
  if (predictions.size() == 1) return predictions[0];
  const bool cond_first = passes_[0] == kCond;
  return MixGuidance(
      guidance.formula, predictions[cond_first ? 0 : 1], predictions[cond_first ? 1 : 0], scale);
}

at::Tensor MixGuidance(Formula formula, const at::Tensor& c, const at::Tensor& u, double scale) {
  const at::Tensor mixed = u + (c - u) * scale;
  if (formula != Formula::kCfgNorm) return mixed;
  const std::vector<int64_t> last = {-1};
  return mixed *
         (at::linalg_vector_norm(c, 2, last, true) / at::linalg_vector_norm(mixed, 2, last, true));
}

}  // namespace teacache
