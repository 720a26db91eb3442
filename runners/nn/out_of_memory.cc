#include "runners/nn/out_of_memory.h"

#include <c10/util/Exception.h>

#include <new>
#include <string_view>

#include "datasets/base/error.h"

namespace teacache {
namespace {

// LibTorch's CPU allocator has no exception type of its own, only these words.
bool IsCpuAllocatorFailure(const std::exception& error) {
  const std::string_view what = error.what();
  return what.find("DefaultCPUAllocator") != std::string_view::npos &&
         what.find("memory") != std::string_view::npos;
}

}  // namespace

void ThrowIfOutOfMemory(const std::string& part, const std::exception& error) {
  const bool device = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr;
  const bool host =
      dynamic_cast<const std::bad_alloc*>(&error) != nullptr || IsCpuAllocatorFailure(error);
  if (!device && !host) return;
  ThrowUserError(part,
                 "ran out of {} memory; try {}--dtype float16 or bfloat16, fewer --jobs, fewer "
                 "frames or a smaller picture (--dry-run shows what each part takes)",
                 device ? "the device's" : "the machine's",
                 device ? "--offload, " : "");
}

}  // namespace teacache
