#include "metrics/vbench/networks/preprocess.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/tensors/torch_tensors.h"
#include "tests/metrics/frames/tensor_frames.h"
#include "tests/support/golden.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

Frame InputFrame(const TensorView& view) {
  Frame frame{static_cast<int>(view.shape[1]), static_cast<int>(view.shape[0]), {}};
  frame.rgb.resize(view.data.size());
  std::memcpy(frame.rgb.data(), view.data.data(), view.data.size());
  return frame;
}

// One level of 255 after CLIP's normalisation, the largest of the three.
constexpr double kOneLevel = 0.0153;

// Rounding may fall to the other side for a few samples.
void ExpectNearlyRounded(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor difference = (actual - expected).abs();
  EXPECT_LE(difference.max().item<double>(), kOneLevel);
  const auto other = (difference > 1e-5).sum().item<int64_t>();
  EXPECT_LE(static_cast<double>(other), 0.001 * static_cast<double>(difference.numel()));
}

TEST(VbenchPreprocess, Golden) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_preprocess")) {
    const auto tensors =
        SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
    for (const nlohmann::json& c : golden.json["cases"]) {
      const std::string name = c["transform"].get<std::string>();
      SCOPED_TRACE(name + " of " + c["input"].get<std::string>());
      const VbenchTransform transform = ParseVbenchTransform(name);
      const Frame frame = InputFrame(tensors.At(c["input"].get<std::string>()));
      const at::Tensor actual = Preprocess(transform, {&frame, 1})[0];
      ASSERT_EQ(actual.sizes().vec(), c["out_shape"].get<std::vector<int64_t>>());
      const int64_t step = c["step"].get<int64_t>();
      const at::Tensor expected = ToTensor(tensors.At(c["tensor"].get<std::string>()));
      const at::Tensor stored =
          actual.slice(1, 0, at::nullopt, step).slice(2, 0, at::nullopt, step);
      const bool pil = name.ends_with("_pil");
      if (transform == VbenchTransform::kClipUint8) {
        ExpectNearlyRounded(stored, expected);
      } else {
        EXPECT_TRUE(TensorsNear(stored, expected, 0, pil ? 1e-6 : 2e-4));
      }
      // Of the whole result, in case the stored part is not all of it.
      const double tolerance = static_cast<double>(actual.numel()) * (pil ? 1e-6 : 2e-5);
      EXPECT_NEAR(
          actual.to(at::kDouble).sum().item<double>(), c["sum_f64"].get<double>(), tolerance);
      if (!c.contains("min")) continue;
      EXPECT_NEAR(actual.min().item<double>(), c["min"].get<double>(), pil ? 1e-6 : kOneLevel);
      EXPECT_NEAR(actual.max().item<double>(), c["max"].get<double>(), pil ? 1e-6 : kOneLevel);
    }
  }
}

TEST(VbenchPreprocess, BatchesAreLikeSingleFrames) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_preprocess")) {
    const auto tensors =
        SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
    const Frame a = InputFrame(tensors.At("input.1"));
    Frame b = a;
    std::reverse(b.rgb.begin(), b.rgb.end());
    const Frame both[] = {a, b};
    for (const char* name :
         {"dino_float", "clip_float", "clip_uint8", "clip_pil", "dino_pil", "imaging_longer"}) {
      const VbenchTransform transform = ParseVbenchTransform(name);
      const at::Tensor batch = Preprocess(transform, both);
      EXPECT_TRUE(TensorsEqual(batch[0], Preprocess(transform, {&a, 1})[0])) << name;
      EXPECT_TRUE(TensorsEqual(batch[1], Preprocess(transform, {&b, 1})[0])) << name;
    }
  }
}

TEST(VbenchPreprocess, Names) {
  EXPECT_EQ(VbenchTransformName(ParseVbenchTransform("dino_pil")), "dino_pil");
  EXPECT_THROW(ParseVbenchTransform("dino"), UserError);
}

}  // namespace
}  // namespace teacache
