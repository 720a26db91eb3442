// The kernels' code on the CPU with fused multiply-adds, where the CPU has them.
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include "tests/metrics/gpu/gpu_checks.h"

namespace teacache {
namespace {

const at::Device kDevice(at::kCUDA, 0);

class FusedKernels : public testing::Test {
 protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("fma")) GTEST_SKIP() << "this CPU has no fused multiply-add";
  }
};

TEST_F(FusedKernels, SsimEqualsPlain) { CheckSsim(kDevice); }
TEST_F(FusedKernels, LayerDistancesEqualPlain) { CheckLayerDistances(kDevice); }
TEST_F(FusedKernels, BatchesGiveWhatPairsGive) { CheckScorer(kDevice); }

}  // namespace
}  // namespace teacache
