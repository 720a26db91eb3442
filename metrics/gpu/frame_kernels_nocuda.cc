// Stands in for frame_kernels.cu in builds without CUDA.
#include "datasets/base/error.h"
#include "metrics/gpu/frame_kernels.h"

namespace teacache {
namespace {

[[noreturn]] void Refuse() {
  ThrowUserError("--device", "must be cpu: this build has no CUDA kernels (preset cuda has)");
}

}  // namespace

at::Tensor SquaredErrorsOnGpu(const at::Tensor& /*pictures*/, const at::Tensor& /*pairs*/) {
  Refuse();
}

at::Tensor SsimDeficitsOnGpu(const at::Tensor& /*pictures*/, const at::Tensor& /*pairs*/) {
  Refuse();
}

at::Tensor LayerDistancesOnGpu(const at::Tensor& /*features*/,
                               const at::Tensor& /*pairs*/,
                               const at::Tensor& /*head*/,
                               const at::Tensor& /*wy*/,
                               const at::Tensor& /*wx*/) {
  Refuse();
}

}  // namespace teacache
