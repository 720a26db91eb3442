#include "datasets/shapes/shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>
#include <set>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kPixels = kShapesSize * kShapesSize;

std::string ErrorOf(const std::string& text) {
  try {
    ParseShapesPrompt(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(ParseShapesPrompt, EveryPromptRoundTrips) {
  ASSERT_EQ(ShapesPromptCount(), 3528);
  ASSERT_EQ(ShapesVocabularySize(), 27);
  std::set<std::string> texts;
  for (int i = 0; i < ShapesPromptCount(); ++i) {
    const ShapesPrompt prompt = ShapesPromptAt(i);
    const std::string text = ShapesText(prompt);
    texts.insert(text);
    ASSERT_TRUE(ParseShapesPrompt(text) == prompt) << text;
  }
  EXPECT_EQ(static_cast<int>(texts.size()), ShapesPromptCount());
}

TEST(ParseShapesPrompt, KnownSentences) {
  const ShapesPrompt star{1, 5, 3, 4, 1, 0};
  EXPECT_EQ(ShapesText(star), "a large blue star circling fast on black");
  EXPECT_TRUE(ParseShapesPrompt("A LARGE, blue star circling fast on Black.") == star);
  EXPECT_TRUE(ParseShapesPrompt("  large blue star\tcircling fast  black ") == star);
  EXPECT_EQ(ShapesText({0, 6, 5, 0, 0, 2}), "a small pink ring moving left slowly on gray");
}

TEST(ParseShapesPrompt, UnknownWordIsNamedWithTheKnownOnes) {
  EXPECT_THAT(ErrorOf("a large purple star circling fast on black"),
              AllOf(HasSubstr("unknown word 'purple'"),
                    HasSubstr("red|orange|yellow|green|cyan|blue|pink"),
                    Not(HasSubstr("\n"))));
  EXPECT_THAT(ErrorOf("a huge red star circling fast on black"),
              AllOf(HasSubstr("'huge'"), HasSubstr("small|large")));
  EXPECT_THAT(ErrorOf("a large red star circling fast on green"),
              AllOf(HasSubstr("'green'"), HasSubstr("black|white|gray")));
  EXPECT_THAT(ErrorOf("a large red star hopping fast on gray"),
              AllOf(HasSubstr("'hopping'"), HasSubstr("circling|bouncing|pulsing")));
  // The whole sentence is there, so that one of many prompts is found.
  EXPECT_THAT(ErrorOf("a large red dog"), HasSubstr("\"a large red dog\""));
}

TEST(ParseShapesPrompt, ShortLongAndTwistedSentences) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("ends too early"));
  EXPECT_THAT(ErrorOf("a large red star circling fast on"), HasSubstr("black|white|gray"));
  EXPECT_THAT(ErrorOf("a large red star circling fast on black twice"), HasSubstr("'twice'"));
  EXPECT_THAT(ErrorOf("a large red star left fast on black"), HasSubstr("moving left|right"));
  EXPECT_THAT(ErrorOf("a large red star moving pulsing fast on black"), HasSubstr("pulsing"));
  EXPECT_THAT(ErrorOf("a red large star circling fast on black"), HasSubstr("'red'"));
}

double Area(int shape, float x, float y, float r) {
  std::vector<float> coverage(kPixels);
  ShapesCoverage(shape, x, y, r, coverage.data());
  return std::accumulate(coverage.begin(), coverage.end(), 0.0);
}

TEST(ShapesCoverage, AreasAreThoseOfTheFigures) {
  const double pi = std::numbers::pi;
  const std::array<double, 6> unit = {
      pi,                                    // circle
      1.72 * 1.72,                           // square of side 2 * 0.86
      3 * std::sqrt(3.0) * 0.62 * 0.62,      // equilateral triangle with inradius 0.62
      2.5 * 1.15 * 1.15 * std::sin(pi / 5),  // ten triangles of sides 1.15 and half of it
      2 * 2 * 0.72 - 0.72 * 0.72,            // two bars
      pi * (1 - 0.48 * 0.48),                // ring
  };
  for (int shape = 0; shape < 6; ++shape) {
    for (const float r : {10.0F, 15.0F, 22.0F}) {
      const double area = Area(shape, 31.3F, 32.7F, r);
      EXPECT_NEAR(area / (r * r), unit[shape], 0.02 * unit[shape]) << shape << " radius " << r;
    }
  }
}

TEST(ShapesCoverage, ValuesAreSharesAndTheCentreIsWhereItIsAsked) {
  std::vector<float> coverage(kPixels);
  for (int shape = 0; shape < 6; ++shape) {
    ShapesCoverage(shape, 20.25F, 40.5F, 12, coverage.data());
    double sum = 0, x = 0, y = 0;
    for (int i = 0; i < kPixels; ++i) {
      ASSERT_GE(coverage[i], 0);
      ASSERT_LE(coverage[i], 1);
      sum += coverage[i];
      x += coverage[i] * (i % kShapesSize + 0.5);
      y += coverage[i] * (i / kShapesSize + 0.5);
    }
    EXPECT_NEAR(x / sum, 20.25, 0.05) << shape;  // all are symmetric left to right
    if (shape != 2) {
      EXPECT_NEAR(y / sum, 40.5, shape == 3 ? 0.4 : 0.05) << shape;
    }
  }
}

// What is drawn of an object of radius r at (x, y), as a share of the whole object.
double ShareInside(int shape, float x, float y, float r) {
  const double whole = Area(shape, 32, 32, r);
  return Area(shape, x, y, r) / whole;
}

TEST(RandomShapesTrack, ObjectsStayInsideTheFrame) {
  ShapesRng rng(11);
  for (int i = 0; i < ShapesPromptCount(); i += 3) {
    const ShapesPrompt prompt = ShapesPromptAt(i);
    const ShapesTrack track = RandomShapesTrack(prompt, &rng);
    for (int t = 0; t < kShapesFrames; ++t) {
      ASSERT_GT(ShareInside(prompt.shape, track.x[t], track.y[t], track.radius[t]), 0.985)
          << ShapesText(prompt) << " frame " << t;
    }
  }
}

TEST(RandomShapesTrack, MovesAsTheSentenceSays) {
  ShapesRng rng(12);
  const auto track = [&](int motion, int speed) {
    return RandomShapesTrack({0, 0, 0, motion, speed, 0}, &rng);
  };
  constexpr int kLast = kShapesFrames - 1;
  for (const int speed : {0, 1}) {
    const float distance = speed == 0 ? 14.0F : 27.0F;
    const ShapesTrack left = track(0, speed);
    EXPECT_NEAR(left.x[kLast] - left.x[0], -distance, 1e-3);
    EXPECT_EQ(left.y[kLast], left.y[0]);
    const ShapesTrack right = track(1, speed);
    EXPECT_NEAR(right.x[kLast] - right.x[0], distance, 1e-3);
    const ShapesTrack up = track(2, speed);
    EXPECT_NEAR(up.y[kLast] - up.y[0], -distance, 1e-3);
    const ShapesTrack down = track(3, speed);
    EXPECT_NEAR(down.y[kLast] - down.y[0], distance, 1e-3);
    const ShapesTrack circling = track(4, speed);
    for (int t = 0; t < kShapesFrames; ++t) {
      const float orbit = std::hypot(circling.x[t] - 32, circling.y[t] - 32);
      EXPECT_NEAR(orbit, std::hypot(circling.x[0] - 32, circling.y[0] - 32), 1e-3);
    }
    const ShapesTrack bouncing = track(5, speed);
    EXPECT_EQ(bouncing.x[kLast], bouncing.x[0]);
    EXPECT_LT(bouncing.y[kShapesFrames / (speed == 0 ? 2 : 4)], bouncing.y[0] - 15);
    const ShapesTrack pulsing = track(6, speed);
    EXPECT_EQ(pulsing.x[kLast], pulsing.x[0]);
    const auto [least, largest] = std::minmax_element(pulsing.radius.begin(), pulsing.radius.end());
    EXPECT_GT(*largest - *least, 3);
  }
}

TEST(RandomShapesTrack, SameSeedSameTrackOtherSeedOther) {
  const ShapesPrompt prompt{1, 2, 3, 4, 1, 0};
  const auto track = [&](uint64_t seed) {
    ShapesRng rng(seed);
    return RandomShapesTrack(prompt, &rng);
  };
  EXPECT_EQ(track(5).x, track(5).x);
  EXPECT_EQ(track(5).y, track(5).y);
  EXPECT_NE(track(5).x, track(6).x);
  ShapesRng rng(3);
  // The same numbers on every platform: 53 bits of the Mersenne twister.
  std::mt19937_64 engine(3);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(rng.Uniform(), static_cast<double>(engine() >> 11) / 9007199254740992.0);
  }
}

TEST(RenderShapesVideo, ColoursAreThePalette) {
  ShapesTrack track;
  track.x.fill(32);
  track.y.fill(32);
  track.radius.fill(12);
  for (int color = 0; color < 7; ++color) {
    for (int background = 0; background < 3; ++background) {
      const Video video = RenderShapesVideo({0, color, 0, 0, 0, background}, track);
      ASSERT_EQ(video.frames.size(), 16u);
      EXPECT_EQ(video.fps, kShapesFps);
      const auto pixel = [&](int x, int y) {
        const uint8_t* p = &video.frames[7].rgb[3 * (y * kShapesSize + x)];
        return std::array<uint8_t, 3>{p[0], p[1], p[2]};
      };
      EXPECT_EQ(pixel(32, 32), ShapesColor(color));
      EXPECT_EQ(pixel(0, 0), ShapesBackground(background));
      EXPECT_EQ(pixel(63, 63), ShapesBackground(background));
    }
  }
}

TEST(RenderShapesVideo, SameArgumentsSameBytes) {
  ShapesRng rng(9);
  const ShapesPrompt prompt = RandomShapesPrompt(&rng);
  const ShapesTrack track = RandomShapesTrack(prompt, &rng);
  const Video first = RenderShapesVideo(prompt, track);
  const Video second = RenderShapesVideo(prompt, track);
  for (int t = 0; t < kShapesFrames; ++t) ASSERT_EQ(first.frames[t].rgb, second.frames[t].rgb);
}

TEST(ShapesSceneFactors, CentredWithUnitSpreadOverTheWorld) {
  ShapesRng rng(21);
  std::array<double, kShapesFactors> sum{};
  std::array<double, kShapesFactors> squares{};
  constexpr int kVideos = 3000;
  for (int i = 0; i < kVideos; ++i) {
    const ShapesPrompt prompt = RandomShapesPrompt(&rng);
    const ShapesTrack track = RandomShapesTrack(prompt, &rng);
    const int t = rng.Below(kShapesFrames);
    const auto factors = ShapesSceneFactors(prompt, track.x[t], track.y[t], track.radius[t]);
    for (int f = 0; f < kShapesFactors; ++f) {
      sum[f] += factors[f] / kVideos;
      squares[f] += factors[f] * factors[f] / kVideos;
    }
  }
  for (int f = 0; f < kShapesFactors; ++f) {
    EXPECT_NEAR(sum[f], 0, f < 3 ? 0.35 : 0.15) << f;
    EXPECT_NEAR(std::sqrt(squares[f] - sum[f] * sum[f]), 1, 0.25) << f;
  }
}

}  // namespace
}  // namespace teacache
