#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "datasets/tensors/safetensors.h"

namespace teacache {

// at::Tensor in and out of safetensors files. Everything is on the CPU and contiguous.

using TensorMap = std::map<std::string, at::Tensor>;

at::ScalarType ToScalarType(DType dtype);
// Throws UserError for types that the format has not (quantised, complex double, ...).
DType ToDType(at::ScalarType type);

// The tensor over the mapped file: no copy where the values are aligned for their type, and the
// tensor keeps the mapping alive. Writing into it changes only this process's memory.
at::Tensor ToTensor(const TensorView& view);

// All tensors of a .safetensors file or a *.safetensors.index.json.
TensorMap LoadTensors(const std::string& path);

// Writes the tensors (any device, any strides) to a .safetensors file by a temporary name and a
// rename. The bytes depend only on names, values and metadata.
void SaveTensors(const std::string& path,
                 const TensorMap& tensors,
                 const std::map<std::string, std::string>& metadata = {});

}  // namespace teacache
