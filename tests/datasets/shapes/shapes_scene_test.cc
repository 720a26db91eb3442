#include "datasets/shapes/shapes_scene.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "datasets/base/error.h"

namespace teacache {
namespace {

Video Render(const ShapesPrompt& prompt, uint64_t seed) {
  ShapesRng rng(seed);
  return RenderShapesVideo(prompt, RandomShapesTrack(prompt, &rng));
}

ShapesTrack Still(float radius) {
  ShapesTrack track;
  track.x.fill(32);
  track.y.fill(32);
  track.radius.fill(radius);
  return track;
}

TEST(ObserveShapes, ReadsEveryAxisOfRenderedVideos) {
  ShapesRng rng(2024);
  std::vector<ShapesPrompt> asked;
  std::vector<ShapesObservation> seen;
  for (uint64_t i = 0; i < 200; ++i) {
    asked.push_back(RandomShapesPrompt(&rng));
    seen.push_back(ObserveShapes(Render(asked.back(), i), asked.back()));
    EXPECT_EQ(ShapesText(seen.back().prompt), ShapesText(asked.back())) << "seed " << i;
    EXPECT_GT(seen.back().worst_frame_overlap, 0.8) << ShapesText(asked.back());
    EXPECT_EQ(seen.back().lit_frames, 1.0);
    EXPECT_GT(seen.back().largest_piece, 0.99);
  }
  const ShapesAdherence adherence = MeasureShapesAdherence(asked, seen);
  EXPECT_EQ(adherence.videos, 200);
  for (const double share : {adherence.size,
                             adherence.color,
                             adherence.shape,
                             adherence.motion,
                             adherence.speed,
                             adherence.background,
                             adherence.all}) {
    EXPECT_NEAR(share, 1, 1e-9);
  }
  EXPECT_GT(adherence.overlap, 0.93);
  EXPECT_GT(adherence.largest_piece, 0.99);
}

TEST(ObserveShapes, AStillObjectDoesNotPulse) {
  for (int size = 0; size < 2; ++size) {
    for (int shape = 0; shape < 6; ++shape) {
      const ShapesPrompt asked{size, 0, shape, 6, 0, 0};
      const auto radius = static_cast<float>(ShapesRadius(size));
      const ShapesObservation seen = ObserveShapes(RenderShapesVideo(asked, Still(radius)), asked);
      EXPECT_EQ(seen.prompt.motion, ShapesObservation::kNoMotion) << ShapesText(asked);
      EXPECT_EQ(seen.prompt.shape, shape);
      EXPECT_EQ(MeasureShapesAdherence({asked}, {seen}).motion, 0);
      EXPECT_EQ(MeasureShapesAdherence({asked}, {seen}).all, 0);
    }
  }
}

// Every axis goes wrong alone when the video is of a sentence that differs in that word.
TEST(MeasureShapesAdherence, OneWrongWordIsOneWrongAxis) {
  const ShapesPrompt asked{0, 1, 2, 1, 0, 0};
  struct Case {
    ShapesPrompt shown;
    double ShapesAdherence::*axis;
  };
  const std::vector<Case> cases = {
      {{1, 1, 2, 1, 0, 0}, &ShapesAdherence::size},
      {{0, 5, 2, 1, 0, 0}, &ShapesAdherence::color},
      {{0, 1, 4, 1, 0, 0}, &ShapesAdherence::shape},
      {{0, 1, 2, 3, 0, 0}, &ShapesAdherence::motion},
      {{0, 1, 2, 1, 1, 0}, &ShapesAdherence::speed},
      {{0, 1, 2, 1, 0, 1}, &ShapesAdherence::background},
  };
  for (const Case& c : cases) {
    const ShapesAdherence adherence =
        MeasureShapesAdherence({asked}, {ObserveShapes(Render(c.shown, 3), asked)});
    for (const auto axis : {&ShapesAdherence::size,
                            &ShapesAdherence::color,
                            &ShapesAdherence::shape,
                            &ShapesAdherence::motion,
                            &ShapesAdherence::speed,
                            &ShapesAdherence::background}) {
      EXPECT_EQ(adherence.*axis, axis == c.axis ? 0 : 1) << ShapesText(c.shown);
    }
    EXPECT_EQ(adherence.all, 0) << ShapesText(c.shown);
  }
}

TEST(MeasureShapesAdherence, SharesAreOfTheVideos) {
  const ShapesPrompt asked{0, 1, 2, 1, 0, 0};
  const ShapesPrompt other{0, 5, 2, 1, 0, 0};
  const ShapesObservation right = ObserveShapes(Render(asked, 1), asked);
  const ShapesObservation wrong = ObserveShapes(Render(other, 1), asked);
  const ShapesAdherence adherence =
      MeasureShapesAdherence({asked, asked, asked, asked}, {right, wrong, right, right});
  EXPECT_DOUBLE_EQ(adherence.color, 0.75);
  EXPECT_DOUBLE_EQ(adherence.all, 0.75);
  EXPECT_DOUBLE_EQ(adherence.shape, 1);
  EXPECT_EQ(MeasureShapesAdherence({}, {}).videos, 0);
}

TEST(ObserveShapes, FragmentsAndEmptyFramesAreSeen) {
  const ShapesPrompt asked{1, 0, 1, 6, 0, 0};
  Video video = Render(asked, 5);
  // A second square in a corner of every frame.
  for (Frame& frame : video.frames) {
    for (int y = 2; y < 12; ++y) {
      for (int x = 2; x < 12; ++x) {
        std::ranges::copy(ShapesColor(0), &frame.rgb[3 * (y * kShapesSize + x)]);
      }
    }
  }
  const ShapesObservation broken = ObserveShapes(video, asked);
  EXPECT_LT(broken.largest_piece, 0.95);
  EXPECT_LT(broken.worst_frame_overlap, 0.8);

  video = Render(asked, 5);
  for (const int t : {3, 4, 5, 6}) {
    for (int i = 0; i < kShapesSize * kShapesSize; ++i) {
      std::ranges::copy(ShapesBackground(0), &video.frames[t].rgb[3 * i]);
    }
  }
  const ShapesObservation holes = ObserveShapes(video, asked);
  EXPECT_DOUBLE_EQ(holes.lit_frames, 0.75);
  EXPECT_EQ(holes.worst_frame_overlap, 0);
  EXPECT_EQ(MeasureShapesAdherence({asked}, {holes}).all, 0);
}

TEST(ObserveShapes, AVideoOfOneColourIsNoObject) {
  Video video;
  video.frames.assign(
      kShapesFrames,
      Frame{kShapesSize, kShapesSize, std::vector<uint8_t>(3 * kShapesSize * kShapesSize, 128)});
  const ShapesObservation seen = ObserveShapes(video, {});
  EXPECT_EQ(seen.lit_frames, 0);
  EXPECT_EQ(seen.largest_piece, 0);
  EXPECT_EQ(MeasureShapesAdherence({ShapesPrompt{}}, {seen}).all, 0);
}

TEST(ObserveShapes, OtherSizesAreRefused) {
  Video video = Render({}, 1);
  video.frames.pop_back();
  EXPECT_THROW(ObserveShapes(video, {}), UserError);
  video.frames.push_back(Frame{32, 64, std::vector<uint8_t>(3 * 32 * 64)});
  EXPECT_THROW(ObserveShapes(video, {}), UserError);
}

}  // namespace
}  // namespace teacache
