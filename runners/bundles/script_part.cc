// TorchScript's heavy headers are seen here alone.
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_reason.h"
#include "runners/bundles/part_program.h"
#include "runners/nn/out_of_memory.h"

namespace teacache {
namespace {

class ScriptPart final : public PartProgram {
 public:
  ScriptPart(const std::string& path, std::vector<at::Tensor> constants, at::Device device)
      : path_(path), constants_(std::move(constants)) {
    try {
      module_ = torch::jit::load(path, device);
      module_.eval();
    } catch (const std::exception& error) {
      ThrowUserError(
          path, "must be a TorchScript file but cannot be loaded: {}", TorchReason(error));
    }
  }

  std::vector<at::Tensor> Run(const std::vector<at::Tensor>& inputs) const override {
    const at::NoGradGuard no_grad;
    // Without the profiling executor, whose first calls run another graph than the later ones.
    const torch::jit::GraphOptimizerEnabledGuard no_optimizer(false);
    std::vector<c10::IValue> values(constants_.begin(), constants_.end());
    values.insert(values.end(), inputs.begin(), inputs.end());
    c10::IValue answer;
    try {
      // A copy of the handle: forward() is not const.
      answer = torch::jit::Module(module_).forward(std::move(values));
    } catch (const std::exception& error) {
      ThrowIfOutOfMemory(path_, error);
      ThrowUserError(path_, "fails: {}", TorchReason(error));
    }
    return Tensors(answer);
  }

 private:
  std::vector<at::Tensor> Tensors(const c10::IValue& answer) const {
    if (answer.isTensor()) return {answer.toTensor()};
    if (answer.isTensorList()) return answer.toTensorVector();
    std::vector<at::Tensor> tensors;
    if (answer.isTuple()) {
      for (const c10::IValue& element : answer.toTupleRef().elements()) {
        if (element.isTensor()) tensors.push_back(element.toTensor());
      }
    }
    return tensors;
  }

  std::string path_;
  std::vector<at::Tensor> constants_;
  torch::jit::Module module_;
};

}  // namespace

std::unique_ptr<PartProgram> LoadScriptPart(const std::string& path,
                                            std::vector<at::Tensor> constants,
                                            at::Device device) {
  return std::make_unique<ScriptPart>(path, std::move(constants), device);
}

}  // namespace teacache
