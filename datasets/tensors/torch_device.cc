#include "datasets/tensors/torch_device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include "datasets/base/error.h"
#include "datasets/tensors/device_name.h"

namespace teacache {

at::Device ParseDevice(const std::string& text) {
  CheckDeviceName(text);
  if (text == "cpu") return at::kCPU;
  if (!at::hasCUDA()) {
    ThrowUserError(
        "--device", "{} is not available: no CUDA in this build or on this machine", text);
  }
  // Not by at::Device, whose 8 bits take cuda:256 for cuda:0.
  const size_t colon = text.find(':');
  const int index = colon == std::string::npos ? 0 : std::stoi(text.substr(colon + 1));
  const int count = at::detail::getCUDAHooks().deviceCount();
  if (index >= count) {
    ThrowUserError(
        "--device", "must be cuda:0 to cuda:{} on this machine but is {}", count - 1, text);
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

void UseExactFloat32() {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(false);
  context.setAllowTF32CuBLAS(false);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
}

void Synchronize(at::Device device) {
  if (device.is_cuda()) at::detail::getCUDAHooks().deviceSynchronize(device.index());
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
