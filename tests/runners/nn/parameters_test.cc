#include "runners/nn/parameters.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "datasets/base/error.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TensorMap Tensors() {
  return {{"a.weight", at::ones({2, 3})}, {"a.bias", at::zeros({2})}, {"step", at::ones({1})}};
}

std::string FinishError(const CheckpointParameters& source) {
  try {
    source.Finish();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(CheckpointParameters, TakesWhatFits) {
  CheckpointParameters source(Tensors(), "model.safetensors");
  EXPECT_TRUE(TensorsEqual(source.Get("a.weight", {2, 3}), at::ones({2, 3})));
  source.Get("a.bias", {2});
  EXPECT_THAT(FinishError(source), AllOf(HasSubstr("unexpected"), HasSubstr("step")));
  source.Ignore("step");
  EXPECT_EQ(FinishError(source), "no error");
}

TEST(CheckpointParameters, ConvertsToTheDtype) {
  CheckpointParameters source(Tensors(), "m", at::kBFloat16);
  EXPECT_EQ(source.Get("a.weight", {2, 3}).scalar_type(), at::kBFloat16);
}

// One message with everything, so that a wrong file is understood at once.
TEST(CheckpointParameters, AllComplaintsInOneLine) {
  CheckpointParameters source(Tensors(), "model.safetensors");
  EXPECT_EQ(source.Get("a.weight", {3, 2}).sizes(), at::IntArrayRef({3, 2}));  // goes on
  source.Get("b.weight", {1});
  source.Get("b.bias", {1});
  EXPECT_THAT(FinishError(source),
              AllOf(StartsWith("model.safetensors"),
                    HasSubstr("2 missing: b.{bias,weight}"),
                    HasSubstr("2 unexpected: a.bias, step"),
                    HasSubstr("a.weight must be [3, 2] but is [2, 3]"),
                    Not(HasSubstr("\n"))));
}

TEST(RandomParameters, SameSeedSameNumbers) {
  const auto draw = [](uint64_t seed) {
    RandomParameters source(seed);
    source.Get("a", {20, 30});
    source.Get("b", {40}, Init::kNormal, 0.3);
    return source.tensors();
  };
  const TensorMap first = draw(5);
  const TensorMap again = draw(5);
  const TensorMap other = draw(6);
  for (const auto& [name, tensor] : first) {
    EXPECT_TRUE(TensorsEqual(again.at(name), tensor));
    EXPECT_FALSE(at::equal(other.at(name), tensor));
  }
  EXPECT_EQ(CountElements(first), 640);
}

TEST(RandomParameters, DistributionsAreTheAskedOnes) {
  RandomParameters source(1);
  const at::Tensor xavier = source.Get("xavier", {300, 500});
  const double bound = std::sqrt(6.0 / 800);
  EXPECT_LE(xavier.abs().max().item<double>(), bound);
  EXPECT_NEAR(xavier.std().item<double>(), bound / std::sqrt(3.0), 1e-3);
  const at::Tensor conv = source.Get("conv", {64, 32, 3, 3}, Init::kFanIn);
  const double fan = 1 / std::sqrt(32.0 * 9);
  EXPECT_LE(conv.abs().max().item<double>(), fan);
  EXPECT_GT(conv.abs().max().item<double>(), 0.98 * fan);
  const at::Tensor normal = source.Get("normal", {100, 1000}, Init::kNormal, 0.3);
  EXPECT_NEAR(normal.std().item<double>(), 0.3, 5e-3);
  EXPECT_TRUE(TensorsEqual(source.Get("ones", {4}, Init::kOnes), at::ones({4})));
  EXPECT_TRUE(TensorsEqual(source.Get("zeros", {4}, Init::kZeros), at::zeros({4})));
}

TEST(RandomParameters, ANameTwiceIsABug) {
  RandomParameters source(1);
  source.Get("a", {2, 2});
  EXPECT_THROW(source.Get("a", {2, 2}), std::logic_error);
}

TEST(SharedParameters, SharesStorage) {
  const TensorMap tensors = Tensors();
  SharedParameters source(tensors);
  EXPECT_EQ(source.Get("a.weight", {2, 3}).data_ptr(), tensors.at("a.weight").data_ptr());
  EXPECT_THROW(source.Get("a.weight", {6}), std::logic_error);
  EXPECT_THROW(source.Get("c", {1}), std::out_of_range);
}

}  // namespace
}  // namespace teacache
