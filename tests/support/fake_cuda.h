#pragma once

#include <ATen/core/Tensor.h>

namespace teacache {

// Two CUDA devices made of the machine's own memory, for builds without CUDA: linking this library
// is enough for --device cuda to work. Every operator runs on the CPU, once all its tensors have
// been found to be on one device; it throws, as CUDA would, where they are not. The memory of these
// devices cannot be read by code of the host (a segmentation fault, as with a GPU).

// The same memory as a tensor of the CPU, or as an address that can be read, for code that stands
// in for a kernel.
at::Tensor OnHost(const at::Tensor& tensor);
void* HostAddressOf(const void* device);
template <typename T>
T* HostAddress(T* device) {
  return static_cast<T*>(HostAddressOf(device));
}

// How many operators have run there so far.
int64_t FakeCudaOperators();
// How often the host has waited for a device.
int64_t FakeCudaWaits();
// The most memory in use at a time since the last call, in bytes.
int64_t TakeFakeCudaPeak();
// All devices together hold so many bytes; more throws c10::OutOfMemoryError, as CUDA does.
void LimitFakeCuda(int64_t bytes);

}  // namespace teacache
