#include "runners/vae/frames.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace teacache {
namespace {

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
