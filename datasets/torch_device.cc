#include "datasets/torch_device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <regex>

#include "datasets/error.h"

namespace teacache {

at::Device ParseDevice(const std::string& text) {
  static const std::regex kForm("cpu|cuda(:[0-9]{1,3})?");
  if (!std::regex_match(text, kForm)) {
    ThrowUserError("--device", "must be cpu, cuda or cuda:N but is '{}'", text);
  }
  const at::Device device(text);
  if (device.is_cuda() && !at::hasCUDA()) {
    ThrowUserError(
        "--device", "{} is not available: no CUDA in this build or on this machine", text);
  }
  if (device.is_cuda() && device.index() >= at::detail::getCUDAHooks().deviceCount()) {
    ThrowUserError("--device", "{} does not exist on this machine", text);
  }
  return device;
}

at::ScalarType ParseDtype(const std::string& text) {
  if (text.empty() || text == "float32") return at::kFloat;
  if (text == "bfloat16") return at::kBFloat16;
  if (text == "float16") return at::kHalf;
  ThrowUserError("--dtype", "must be float32, bfloat16 or float16 but is '{}'", text);
}

std::string DtypeName(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return "bfloat16";
  return dtype == at::kHalf ? "float16" : "float32";
}

}  // namespace teacache
