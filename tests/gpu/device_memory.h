#pragma once

#include <cstdint>

namespace teacache {

// From now on the first device holds so many bytes and no more: of a GPU through LibTorch's
// allocator (device_memory_cuda.cc), of the fake devices by themselves (device_memory_fake.cc).
void LimitDeviceMemory(int64_t bytes);

// The whole device again.
void UnlimitDeviceMemory();

}  // namespace teacache
