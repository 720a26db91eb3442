#include "datasets/tensors/torch_tensors.h"

#include <ATen/ATen.h>

#include <array>
#include <cstring>
#include <utility>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr std::array kTypes = {
    std::pair{DType::kBool, at::kBool},
    std::pair{DType::kU8, at::kByte},
    std::pair{DType::kI8, at::kChar},
    std::pair{DType::kF8E4M3, at::kFloat8_e4m3fn},
    std::pair{DType::kF8E5M2, at::kFloat8_e5m2},
    std::pair{DType::kF8E8M0, at::kFloat8_e8m0fnu},
    std::pair{DType::kI16, at::kShort},
    std::pair{DType::kU16, at::kUInt16},
    std::pair{DType::kF16, at::kHalf},
    std::pair{DType::kBF16, at::kBFloat16},
    std::pair{DType::kI32, at::kInt},
    std::pair{DType::kU32, at::kUInt32},
    std::pair{DType::kF32, at::kFloat},
    std::pair{DType::kI64, at::kLong},
    std::pair{DType::kU64, at::kUInt64},
    std::pair{DType::kF64, at::kDouble},
    std::pair{DType::kC64, at::kComplexFloat},
};

}  // namespace

at::ScalarType ToScalarType(DType dtype) {
  for (const auto& [ours, theirs] : kTypes) {
    if (ours == dtype) {
      return theirs;
    }
  }
  ThrowUserError("ToScalarType", "dtype must be a known one");
}

DType ToDType(at::ScalarType type) {
  for (const auto& [ours, theirs] : kTypes) {
    if (theirs == type) {
      return ours;
    }
  }
  ThrowUserError("ToDType", "a tensor's type must be one of safetensors but is {}", toString(type));
}

at::Tensor ToTensor(const TensorView& view) {
  const at::TensorOptions options = at::TensorOptions().dtype(ToScalarType(view.dtype));
  // LibTorch wants a plain pointer; the mapping is private and writable, so in-place work is safe.
  void* data = const_cast<std::byte*>(view.data.data());
  const size_t alignment = static_cast<size_t>(DTypeSize(view.dtype));
  const bool aligned = reinterpret_cast<uintptr_t>(data) % alignment == 0;
  if (view.data.empty() || !aligned || view.owner == nullptr) {
    at::Tensor copy = at::empty(view.shape, options);
    if (!view.data.empty()) {
      std::memcpy(copy.mutable_data_ptr(), view.data.data(), view.data.size());
    }
    return copy;
  }
  return at::from_blob(
      data, view.shape, [owner = view.owner](void*) {}, options);
}

TensorMap LoadTensors(const std::string& path) {
  TensorMap tensors;
  const SafetensorsFile file = SafetensorsFile::Open(path);
  for (const TensorView& view : file.tensors()) {
    tensors.emplace(view.name, ToTensor(view));
  }
  return tensors;
}

void SaveTensors(const std::string& path,
                 const TensorMap& tensors,
                 const std::map<std::string, std::string>& metadata) {
  std::vector<at::Tensor> held;  // the contiguous copies that the views point into
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) {
      ThrowUserError(path + ": tensor \"" + name + "\"", "must be defined");
    }
    held.push_back(tensor.detach().cpu().contiguous());
    const at::Tensor& plain = held.back();
    views.push_back({name,
                     ToDType(plain.scalar_type()),
                     plain.sizes().vec(),
                     {static_cast<const std::byte*>(plain.const_data_ptr()), plain.nbytes()},
                     nullptr});
  }
  WriteSafetensors(path, views, metadata);
}

}  // namespace teacache
