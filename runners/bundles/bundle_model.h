#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "datasets/tensors/torch_tensors.h"
#include "runners/bundles/manifest.h"
#include "runners/bundles/part_program.h"

namespace teacache {

// The loaded parts of one transformer of a bundle. Immutable, may be used from several threads at
// once.
class BundleModel {
 public:
  // Checks the digests of all files, maps the weights and loads the parts. `allow_native`: also
  // those of AOTInductor. Throws UserError.
  BundleModel(const BundleManifest& manifest,
              const BundleExpert& expert,
              at::Device device,
              bool allow_native);

  const BundleExpert& expert() const { return expert_; }

  // Runs a part that the bundle has: takes its inputs from `values` and puts its outputs there.
  // Throws UserError for inputs and outputs that are not as the manifest says (shape, type,
  // strides, device): compiled parts do not check.
  void Run(std::string_view part, TensorMap* values) const;

  // Throws UserError unless `tensor` is as the manifest says; `where` begins the message.
  void Check(const std::string& where, const std::string& name, const at::Tensor& tensor) const;

  int64_t parameters() const { return parameters_; }      // elements of all constants
  int64_t weight_bytes() const { return weight_bytes_; }  // of them

 private:
  BundleExpert expert_;
  std::string where_;  // of the manifest
  at::Device device_;
  std::map<std::string, std::unique_ptr<PartProgram>, std::less<>> programs_;
  int64_t parameters_ = 0;
  int64_t weight_bytes_ = 0;
};

}  // namespace teacache
