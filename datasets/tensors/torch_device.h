#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace teacache {

// "cpu", "cuda" or "cuda:N". Throws UserError for other texts, for CUDA in a build without it, and
// for a device that the machine does not have.
at::Device ParseDevice(const std::string& text);

// float32 is float32, and the same work gives the same digits: no TensorFloat-32 (which LibTorch
// lets cuDNN use by itself) and cuDNN's deterministic algorithms. For the whole process.
void UseExactFloat32();

// Waits for all work queued on a device, as a clock must: CUDA works on while the program goes on.
void Synchronize(at::Device device);

// "float32" (also ""), "bfloat16", "float16". Throws UserError.
at::ScalarType ParseDtype(const std::string& text);
// The text of one of these three.
std::string DtypeName(at::ScalarType dtype);

}  // namespace teacache
