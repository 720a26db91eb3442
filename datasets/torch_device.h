#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace teacache {

// "cpu", "cuda" or "cuda:N". Throws UserError for other texts, for CUDA in a build without it, and
// for a device that the machine does not have.
at::Device ParseDevice(const std::string& text);

// "float32" (also ""), "bfloat16", "float16". Throws UserError.
at::ScalarType ParseDtype(const std::string& text);
// The text of one of these three.
std::string DtypeName(at::ScalarType dtype);

}  // namespace teacache
