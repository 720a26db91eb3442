#include <limits>

#include "tests/gpu/device_memory.h"
#include "tests/support/fake_cuda.h"

namespace teacache {

void LimitDeviceMemory(int64_t bytes) { LimitFakeCuda(bytes); }

void UnlimitDeviceMemory() { LimitFakeCuda(std::numeric_limits<int64_t>::max()); }

}  // namespace teacache
