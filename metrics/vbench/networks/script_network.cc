// The only source that sees TorchScript's heavy headers.
#include "metrics/vbench/networks/script_network.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/torch_reason.h"
#include "datasets/tensors/torch_threads.h"

namespace teacache {
namespace {

// "float32 [2, 3, 224, 224]"; -1 is printed as D.
std::string Shape(at::IntArrayRef sizes) {
  std::string text;
  for (const int64_t size : sizes) {
    text += (text.empty() ? "[" : ", ") + (size < 0 ? std::string("D") : std::to_string(size));
  }
  return (text.empty() ? "[" : text) + "]";
}

std::string TypeName(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kLong:
      return "int64";
    default:
      return at::toString(type);
  }
}

std::string Describe(const std::vector<at::Tensor>& tensors) {
  std::string text;
  for (const at::Tensor& tensor : tensors) {
    text += (text.empty() ? "" : " and ") + TypeName(tensor.scalar_type()) + " " +
            Shape(tensor.sizes());
  }
  return text;
}

}  // namespace

struct ScriptNetwork::State {
  torch::jit::Module module;
  at::Device device = at::kCPU;
};

ScriptNetwork::ScriptNetwork(const std::string& path, at::Device device)
    : path_(path), state_(std::make_unique<State>()) {
  digest_ = "sha256 " + Sha256HexOfFile(path).substr(0, 16);
  try {
    state_->module = torch::jit::load(path, device);
    state_->module.eval();
  } catch (const std::exception& error) {
    ThrowUserError(path,
                   "must be a TorchScript file (torch.jit.save) but cannot be loaded: {}",
                   TorchReason(error));
  }
  state_->device = device;
  const auto size = [&](const char* name) -> int64_t {
    const bool has = state_->module.hasattr(name) && state_->module.attr(name).isInt();
    return has ? state_->module.attr(name).toInt() : 0;
  };
  if (size("height") > 0 && size("width") > 0) only_size_ = {size("height"), size("width")};
}

ScriptNetwork::~ScriptNetwork() = default;

at::Tensor ScriptNetwork::Call(const std::vector<at::Tensor>& inputs) const {
  const TorchThreads one_thread(1);
  const c10::InferenceMode inference;
  if (only_size_ &&
      (inputs[0].size(-2) != only_size_->height || inputs[0].size(-1) != only_size_->width)) {
    ThrowUserError(
        path_,
        "is exported for pictures of {}x{} alone but these are {}x{}: export it for them",
        only_size_->width,
        only_size_->height,
        inputs[0].size(-1),
        inputs[0].size(-2));
  }
  // Without the profiling executor, whose first calls run another graph than the later ones.
  const torch::jit::GraphOptimizerEnabledGuard no_optimizer(false);
  c10::IValue answer;
  try {
    std::vector<c10::IValue> values;
    for (const at::Tensor& input : inputs) values.emplace_back(input.to(state_->device));
    answer = state_->module.forward(std::move(values));
  } catch (const std::exception& error) {
    ThrowUserError(path_, "fails on {}: {}", Describe(inputs), TorchReason(error));
  }
  if (!answer.isTensor()) {
    ThrowUserError(
        path_, "must return one tensor for {} but returns {}", Describe(inputs), answer.tagKind());
  }
  const at::Tensor tensor = answer.toTensor();
  if (tensor.scalar_type() != at::kFloat) {
    ThrowUserError(
        path_, "must return float32 for {} but returns {}", Describe(inputs), Describe({tensor}));
  }
  return tensor.to(at::kCPU).contiguous();
}

at::Tensor ScriptNetwork::Probe(const std::vector<at::Tensor>& inputs,
                                const std::vector<int64_t>& expected) const {
  at::Tensor answer = Call(inputs);
  bool fits = answer.dim() == static_cast<int64_t>(expected.size());
  for (size_t i = 0; fits && i < expected.size(); ++i) {
    fits = expected[i] < 0 ? answer.size(static_cast<int64_t>(i)) > 0
                           : answer.size(static_cast<int64_t>(i)) == expected[i];
  }
  if (!fits) {
    ThrowUserError(path_,
                   "must return float32 {} for {} but returns {}",
                   Shape(expected),
                   Describe(inputs),
                   Describe({answer}));
  }
  return answer;
}

}  // namespace teacache
