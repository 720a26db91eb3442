#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "datasets/tensors/torch_tensors.h"

namespace teacache {

// A part of a bundle that was compiled by one of the back ends. Immutable, may be used from several
// threads at once.
class PartProgram {
 public:
  virtual ~PartProgram() = default;
  // The outputs for inputs that fit (BundleModel checks that). Throws UserError naming the file
  // where it fails.
  virtual std::vector<at::Tensor> Run(const std::vector<at::Tensor>& inputs) const = 0;
};

// TorchScript: a graph that LibTorch interprets, on any machine. `constants` are its first inputs.
std::unique_ptr<PartProgram> LoadScriptPart(const std::string& path,
                                            std::vector<at::Tensor> constants,
                                            at::Device device);

// AOTInductor: NATIVE CODE, compiled for one kind of CPU or GPU and one version of PyTorch. Loading
// it runs it: only for files that the user trusts. It is unpacked into the folder for temporary
// files, which must allow execution. `constants` by the keys of the weights; they are shared, not
// copied. Throws UserError; one message names everything that is missing.
std::unique_ptr<PartProgram> LoadAotiPart(const std::string& path,
                                          const TensorMap& constants,
                                          at::Device device);

}  // namespace teacache
