#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "datasets/torch_tensors.h"

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
  // messages.
  CheckpointParameters(TensorMap tensors,
                       std::string origin,
                       at::ScalarType dtype = at::kFloat,
                       at::Device device = at::kCPU);

  at::Tensor Get(const std::string& name,
                 const std::vector<int64_t>& shape,
                 Init init = Init::kXavierUniform,
                 double spread = 1.0) override;

  // Keys that some checkpoints carry and the model does not need (buffers).
  void Ignore(const std::string& name) { used_.insert(name); }

  // Throws UserError naming every missing, unexpected and misshaped tensor.
  void Finish() const;

 private:
  TensorMap tensors_;
  std::string origin_;
  at::ScalarType dtype_;
  at::Device device_;
  std::set<std::string> used_;
  std::vector<std::string> missing_;
  std::vector<std::string> misshaped_;
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
