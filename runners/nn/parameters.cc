#include "runners/nn/parameters.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "datasets/base/error.h"
#include "runners/nn/name_patterns.h"

namespace teacache {
namespace {

// Bound of the uniform initialisations; convolution kernels count as fan.
double UniformBound(Init init, const std::vector<int64_t>& shape) {
  int64_t kernel = 1;
  for (size_t i = 2; i < shape.size(); ++i) kernel *= shape[i];
  const double fan_out = static_cast<double>(shape.at(0) * kernel);
  const double fan_in = static_cast<double>(shape.at(1) * kernel);
  return init == Init::kFanIn ? 1 / std::sqrt(fan_in) : std::sqrt(6.0 / (fan_in + fan_out));
}

std::string ListOf(const std::string& what, const std::map<std::string, std::string>& names) {
  if (names.empty()) return "";
  return fmt::format(" {} {}: {};", names.size(), what, fmt::join(FoldNames(names), ", "));
}

}  // namespace

CheckpointParameters::CheckpointParameters(TensorMap tensors,
                                           std::string origin,
                                           at::ScalarType dtype,
                                           at::Device device)
    : tensors_(std::move(tensors)), origin_(std::move(origin)), dtype_(dtype), device_(device) {}

at::Tensor CheckpointParameters::Get(const std::string& name,
                                     const std::vector<int64_t>& shape,
                                     Init /*init*/,
                                     double /*spread*/) {
  used_.insert(name);
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) {
    missing_.emplace(name, "");
    return at::zeros(shape, at::TensorOptions(DtypeOf(name)).device(device_));
  }
  if (it->second.sizes() != at::IntArrayRef(shape)) {
    misshaped_.emplace(name,
                       fmt::format(" must be [{}] but is [{}]",
                                   fmt::join(shape, ", "),
                                   fmt::join(it->second.sizes(), ", ")));
    return at::zeros(shape, at::TensorOptions(DtypeOf(name)).device(device_));
  }
  at::Tensor tensor = Convert(name, it->second);
  taken_elements_ += tensor.numel();
  taken_bytes_ += static_cast<int64_t>(tensor.nbytes());
  return tensor;
}

at::Tensor CheckpointParameters::Convert(const std::string& name, const at::Tensor& tensor) {
  if (converted_ == nullptr) return tensor.to(device_, DtypeOf(name));
  const auto [it, is_new] = converted_->try_emplace(name);
  if (is_new) it->second = tensor.to(at::kCPU, DtypeOf(name));
  return it->second.to(device_);
}

at::ScalarType CheckpointParameters::DtypeOf(const std::string& name) const {
  const bool stays = std::ranges::any_of(
      float32_endings_, [&](const std::string& end) { return name.ends_with(end); });
  return stays ? at::kFloat : dtype_;
}

void CheckpointParameters::Rename(const std::function<std::string(const std::string&)>& new_name) {
  TensorMap renamed;
  for (auto& [name, tensor] : tensors_) {
    const std::string today = new_name(name);
    if (!renamed.emplace(today, std::move(tensor)).second) {
      ThrowUserError(origin_, "must hold tensor \"{}\" once but it appears twice", today);
    }
  }
  tensors_ = std::move(renamed);
}

void CheckpointParameters::Finish() const {
  std::map<std::string, std::string> unexpected;
  for (const auto& [name, tensor] : tensors_) {
    const bool ignored = std::ranges::any_of(
        ignored_prefixes_, [&](const std::string& prefix) { return name.starts_with(prefix); });
    if (!ignored && !used_.contains(name)) unexpected.emplace(name, "");
  }
  const std::string complaint = ListOf("missing", missing_) + ListOf("unexpected", unexpected) +
                                ListOf("misshaped", misshaped_);
  if (!complaint.empty()) {
    ThrowUserError(
        origin_, "tensors do not fit the model:{}", complaint.substr(0, complaint.size() - 1));
  }
}

RandomParameters::RandomParameters(uint64_t seed)
    : generator_(at::detail::createCPUGenerator(seed)) {}

at::Tensor RandomParameters::Get(const std::string& name,
                                 const std::vector<int64_t>& shape,
                                 Init init,
                                 double spread) {
  if (tensors_.contains(name)) throw std::logic_error("parameter asked for twice: " + name);
  at::Tensor tensor = at::zeros(shape, at::kFloat);
  switch (init) {
    case Init::kXavierUniform:
    case Init::kFanIn: {
      const double bound = UniformBound(init, shape);
      tensor.uniform_(-bound, bound, generator_);
      break;
    }
    case Init::kNormal:
      tensor.normal_(0.0, spread, generator_);
      break;
    case Init::kOnes:
      tensor.fill_(1.0);
      break;
    case Init::kZeros:
      break;
  }
  tensors_[name] = tensor;
  return tensor;
}

at::Tensor SharedParameters::Get(const std::string& name,
                                 const std::vector<int64_t>& shape,
                                 Init /*init*/,
                                 double /*spread*/) {
  const at::Tensor& tensor = tensors_.at(name);
  if (tensor.sizes() != at::IntArrayRef(shape)) throw std::logic_error("shape of " + name);
  return tensor;
}

at::Tensor ShapeParameters::Get(const std::string& name,
                                const std::vector<int64_t>& shape,
                                Init /*init*/,
                                double /*spread*/) {
  if (!shapes_.emplace(name, shape).second) {
    throw std::logic_error("parameter asked for twice: " + name);
  }
  return at::empty(shape, at::TensorOptions(at::kFloat).device(at::kMeta));
}

int64_t ShapeParameters::elements() const {
  int64_t count = 0;
  for (const auto& [name, shape] : shapes_) {
    int64_t elements = 1;
    for (const int64_t size : shape) elements *= size;
    count += elements;
  }
  return count;
}

int64_t CountElements(const TensorMap& tensors) {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors) count += tensor.numel();
  return count;
}

}  // namespace teacache
