#include "runners/device.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/error.h"
#include "runners/frames.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string DeviceError(const std::string& text) {
  try {
    ParseDevice(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ParseDevice, KnownNames) {
  EXPECT_TRUE(ParseDevice("cpu").is_cpu());
  for (const char* text : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:1000", "cpu:0", "cuda:0 "}) {
    EXPECT_THAT(DeviceError(text), AllOf(HasSubstr("cpu, cuda or cuda:N"), HasSubstr(text)))
        << text;
  }
  // No machine has so many.
  EXPECT_THAT(DeviceError("cuda:999"),
              AllOf(HasSubstr("--device"), HasSubstr("cuda:999"), Not(HasSubstr("\n"))));
}

TEST(ParseDtype, KnownNames) {
  EXPECT_EQ(ParseDtype(""), at::kFloat);
  EXPECT_EQ(ParseDtype("float32"), at::kFloat);
  EXPECT_EQ(ParseDtype("bfloat16"), at::kBFloat16);
  EXPECT_EQ(ParseDtype("float16"), at::kHalf);
  EXPECT_THROW(ParseDtype("fp32"), UserError);
}

TEST(FramesToVideo, RoundsAndClamps) {
  // One frame of one row: values -1, 0, 1, beyond, and one step of 1/127.5.
  const at::Tensor row = at::tensor({-1.0, 0.0, 1.0, -3.0, 7.0, -1.0 + 1 / 127.5});
  const at::Tensor frames = row.to(at::kFloat).view({1, 1, 1, 6}).repeat({2, 3, 1, 1});
  frames[1][2].fill_(1);  // the second frame's blue
  const Video video = FramesToVideo(frames, 8);
  ASSERT_EQ(video.frames.size(), 2u);
  EXPECT_EQ(video.fps, 8);
  EXPECT_EQ(video.frames[0].width, 6);
  EXPECT_EQ(video.frames[0].height, 1);
  const std::vector<int> expected = {0, 128, 255, 0, 255, 1};
  for (int x = 0; x < 6; ++x) {
    for (int c = 0; c < 3; ++c) {
      EXPECT_EQ(video.frames[0].rgb[3 * x + c], expected[x]) << x;
      EXPECT_EQ(video.frames[1].rgb[3 * x + c], c == 2 ? 255 : expected[x]) << x;
    }
  }
}

}  // namespace
}  // namespace teacache
