#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "datasets/tensors/torch_tensors.h"

namespace teacache {

// How a parameter starts when a model is trained from nothing.
enum class Init {
  kXavierUniform,
  kFanIn,  // uniform in +-1 / sqrt(fan in), PyTorch's default for linear and convolution layers
  kZeros,
  kOnes,
  kNormal,
};

// Where a model's constructor takes its parameters from: a checkpoint, or fresh random numbers. A
// model therefore names each of its tensors once, by the checkpoint's key.
class ParameterSource {
 public:
  virtual ~ParameterSource() = default;
  // The tensor `name` of `shape`. `spread` is the standard deviation for kNormal.
  virtual at::Tensor Get(const std::string& name,
                         const std::vector<int64_t>& shape,
                         Init init = Init::kXavierUniform,
                         double spread = 1.0) = 0;
};

// Parameters of a checkpoint, checked strictly. Wrong names and shapes are collected while the
// model is built; Finish() reports them all in one message.
class CheckpointParameters : public ParameterSource {
 public:
  // `tensors` are converted to `dtype` on `device` as they are taken; `origin` names the file in
  // messages. On at::kMeta no values are read.
  CheckpointParameters(TensorMap tensors,
                       std::string origin,
                       at::ScalarType dtype = at::kFloat,
                       at::Device device = at::kCPU);

  at::Tensor Get(const std::string& name,
                 const std::vector<int64_t>& shape,
                 Init init = Init::kXavierUniform,
                 double spread = 1.0) override;

  bool Has(const std::string& name) const { return tensors_.contains(name); }
  // Keys that some checkpoints carry and the model does not need (buffers), and whole parts of them
  // ("encoder.").
  void Ignore(const std::string& name) { used_.insert(name); }
  void IgnorePrefix(const std::string& prefix) { ignored_prefixes_.push_back(prefix); }
  // Tensors whose names end so stay in float32, whatever the dtype.
  void KeepFloat32(const std::string& ending) { float32_endings_.push_back(ending); }
  // Converted tensors are kept here, on the CPU, and taken from here the next time: for models that
  // leave the device and come back.
  void KeepConverted(TensorMap* converted) { converted_ = converted; }
  // Gives every tensor its name of today; call it before anything is taken.
  void Rename(const std::function<std::string(const std::string&)>& new_name);

  // Elements and bytes, as converted, of what has been taken so far.
  int64_t taken_elements() const { return taken_elements_; }
  int64_t taken_bytes() const { return taken_bytes_; }
  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

  // Throws UserError naming every missing, unexpected and misshaped tensor, those of alike blocks
  // together (name_patterns.h).
  void Finish() const;

 private:
  at::ScalarType DtypeOf(const std::string& name) const;
  at::Tensor Convert(const std::string& name, const at::Tensor& tensor);

  TensorMap tensors_;
  std::string origin_;
  at::ScalarType dtype_;
  at::Device device_;
  std::set<std::string> used_;
  std::map<std::string, std::string> missing_;    // name -> ""
  std::map<std::string, std::string> misshaped_;  // name -> " must be [3] but is [4]"
  std::vector<std::string> ignored_prefixes_;
  std::vector<std::string> float32_endings_;
  TensorMap* converted_ = nullptr;
  int64_t taken_elements_ = 0;
  int64_t taken_bytes_ = 0;
};

// Names and shapes only: what a model would ask for, without any values (the tensors given out are
// on the meta device). For checks of a published config at full size.
class ShapeParameters : public ParameterSource {
 public:
  at::Tensor Get(const std::string& name,
                 const std::vector<int64_t>& shape,
                 Init init = Init::kXavierUniform,
                 double spread = 1.0) override;

  const std::map<std::string, std::vector<int64_t>>& shapes() const { return shapes_; }
  int64_t elements() const;

 private:
  std::map<std::string, std::vector<int64_t>> shapes_;
};

// Fresh random parameters from `seed`, drawn on the CPU in float32 in the order of the requests.
class RandomParameters : public ParameterSource {
 public:
  explicit RandomParameters(uint64_t seed);

  at::Tensor Get(const std::string& name,
                 const std::vector<int64_t>& shape,
                 Init init = Init::kXavierUniform,
                 double spread = 1.0) override;

  const TensorMap& tensors() const { return tensors_; }

 private:
  at::Generator generator_;
  TensorMap tensors_;
};

// Tensors already in memory, by name, used as they are (the trainer's replicas).
class SharedParameters : public ParameterSource {
 public:
  explicit SharedParameters(const TensorMap& tensors) : tensors_(tensors) {}

  at::Tensor Get(const std::string& name,
                 const std::vector<int64_t>& shape,
                 Init init = Init::kXavierUniform,
                 double spread = 1.0) override;

 private:
  const TensorMap& tensors_;
};

// Number of elements of all tensors.
int64_t CountElements(const TensorMap& tensors);

}  // namespace teacache
