// The kernels on a GPU. Links LibTorch and CUDA only.
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"
#include "metrics/gpu/frame_kernels.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/metrics/gpu/gpu_checks.h"
#include "tests/metrics/gpu/gpu_inputs.h"

namespace teacache {
namespace {

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "needs a GPU, and a build with CUDA (preset cuda)";
  }
};

TEST_F(Gpu, SquaredErrorsAreExact) { CheckSquaredErrors(at::kCUDA); }
TEST_F(Gpu, SsimEqualsPlain) { CheckSsim(at::kCUDA); }
TEST_F(Gpu, LayerDistancesEqualPlain) { CheckLayerDistances(at::kCUDA); }
TEST_F(Gpu, LargePictures) { CheckLargePictures(at::kCUDA); }
TEST_F(Gpu, BatchesGiveWhatPairsGive) { CheckScorer(at::kCUDA); }
TEST_F(Gpu, LpipsEqualsItsDefinition) { CheckLpips(at::kCUDA, /*tf32=*/false); }
TEST_F(Gpu, LpipsWithTf32IsNear) { CheckLpips(at::kCUDA, /*tf32=*/true); }

TEST(GpuKernels, WithoutCudaTheyRefuse) {
  if (at::hasCUDA()) GTEST_SKIP() << "this machine has a GPU";
  const at::Tensor pictures = ToPictures({2, MakeFrame(Content::kFlat, 12, 12, 1)});
  // UserError in builds without CUDA, c10::Error for tensors of the CPU in builds with it.
  EXPECT_ANY_THROW(SquaredErrorsOnGpu(pictures, pictures));
}

}  // namespace
}  // namespace teacache
