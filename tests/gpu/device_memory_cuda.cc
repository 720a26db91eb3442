#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>

#include <stdexcept>

#include "tests/gpu/device_memory.h"

namespace teacache {
namespace {

void SetShare(double share) {
  c10::cuda::CUDACachingAllocator::emptyCache();  // what is kept for later would not be counted
  c10::cuda::CUDACachingAllocator::setMemoryFraction(share, /*device=*/0);
}

}  // namespace

void LimitDeviceMemory(int64_t bytes) {
  size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) throw std::runtime_error("cudaMemGetInfo");
  SetShare(static_cast<double>(bytes) / static_cast<double>(total));
}

void UnlimitDeviceMemory() { SetShare(1); }

}  // namespace teacache
