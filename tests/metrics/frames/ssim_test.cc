#include "metrics/frames/ssim.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "datasets/base/error.h"
#include "tests/metrics/frames/plain_metrics.h"

namespace teacache {
namespace {

constexpr double kTolerance = 1e-7;

void ForEachTarget(const std::function<void()>& check) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    check();
    hwy::SetSupportedTargetsForTest(0);
  }
}

// The fast SSIM against the plain one, on every instruction set, in both orders.
void ExpectEqualsPlain(const Frame& a, const Frame& b, const std::string& what) {
  const double plain = PlainSsim(ToPlanes(a, false), ToPlanes(b, false));
  ForEachTarget([&] {
    EXPECT_NEAR(Ssim(a, b), plain, kTolerance) << what;
    EXPECT_EQ(Ssim(a, b), Ssim(b, a)) << what;
  });
}

TEST(Ssim, EqualsPlainAtSizes11To40) {
  for (int size = 11; size <= 40; ++size) {
    const int other = 11 + (size * 7) % 30;
    for (const auto& [width, height] : {std::pair(size, other), std::pair(other, size)}) {
      const Frame a = MakeFrame(Content::kNatural, width, height, size);
      ExpectEqualsPlain(a, AddNoise(a, 6, size), fmt::format("{}x{}", width, height));
    }
  }
}

TEST(GaussianContrast, EqualsPlain) {
  for (const auto& [width, height] :
       {std::pair(11, 11), std::pair(40, 13), std::pair(171, 15), std::pair(64, 37)}) {
    for (Content content :
         {Content::kNatural, Content::kNoise, Content::kFlat, Content::kGradient}) {
      for (int amplitude : {1, 60}) {
        const Frame a = MakeFrame(content, width, height, 3), b = AddNoise(a, amplitude, 4);
        const double plain = PlainContrast(ToPlanes(a, false), ToPlanes(b, false));
        std::vector<uint16_t> a16(a.rgb.begin(), a.rgb.end()), b16(b.rgb.begin(), b.rgb.end());
        for (uint16_t& sample : a16) sample *= 256;
        for (uint16_t& sample : b16) sample *= 256;
        ForEachTarget([&] {
          EXPECT_NEAR(GaussianContrast(a.rgb, b.rgb, width, height), plain, kTolerance);
          EXPECT_NEAR(GaussianContrast(a16, b16, width, height, 256.0 * 255), plain, kTolerance);
          EXPECT_EQ(GaussianContrast(a.rgb, a.rgb, width, height), 1);
        });
      }
    }
  }
  EXPECT_TRUE(
      std::isnan(GaussianContrast(std::vector<uint8_t>(300), std::vector<uint8_t>(300), 10, 10)));
}

TEST(Ssim, EqualsPlainAcrossStripsAndSegments) {
  for (const auto& [width, height] : {std::pair(169, 17),
                                      std::pair(170, 14),
                                      std::pair(171, 15),
                                      std::pair(203, 27),
                                      std::pair(330, 24),
                                      std::pair(523, 12)}) {
    const Frame a = MakeFrame(Content::kNatural, width, height, width);
    ExpectEqualsPlain(a, AddNoise(a, 25, 3), fmt::format("{}x{}", width, height));
  }
}

TEST(Ssim, EqualsPlainOnEveryKindOfContent) {
  const int width = 64, height = 37;
  for (Content content : {Content::kNatural, Content::kNoise, Content::kFlat, Content::kGradient}) {
    for (int amplitude : {1, 5, 60}) {
      const Frame a = MakeFrame(content, width, height, 11);
      ExpectEqualsPlain(a,
                        AddNoise(a, amplitude, 12),
                        fmt::format("content {} amplitude {}", int(content), amplitude));
    }
  }
  ExpectEqualsPlain(MakeFrame(Content::kNoise, width, height, 1),
                    MakeFrame(Content::kNoise, width, height, 2),
                    "independent noise");
}

TEST(Ssim, EqualsPlainOnFlatFramesAndSingleLevels) {
  for (int level : {0, 1, 37, 127, 128, 200, 254}) {
    Frame a{40, 29, std::vector<uint8_t>(40 * 29 * 3, static_cast<uint8_t>(level))};
    Frame b = a;
    ExpectEqualsPlain(a, b, fmt::format("flat {}", level));
    b.rgb[40 * 14 * 3 + 61] += 1;
    ExpectEqualsPlain(a, b, fmt::format("flat {} with one sample a level higher", level));
    for (size_t i = 0; i < b.rgb.size(); i += 2) b.rgb[i] = static_cast<uint8_t>(level + 1);
    ExpectEqualsPlain(a, b, fmt::format("flat {} with every second sample higher", level));
    std::fill(b.rgb.begin(), b.rgb.end(), static_cast<uint8_t>(level + 1));
    ExpectEqualsPlain(a, b, fmt::format("flat {} against flat {}", level, level + 1));
    for (int amplitude : {1, 2, 5, 9}) {
      ExpectEqualsPlain(a, AddNoise(a, amplitude, 5), fmt::format("flat {} + noise", level));
    }
  }
}

TEST(Ssim, EqualsPlainAtHardEdgesAndInversion) {
  Frame edges{90, 41, std::vector<uint8_t>(90 * 41 * 3)};
  for (int y = 0; y < 41; ++y) {
    for (int x = 0; x < 90; ++x) {
      for (int c = 0; c < 3; ++c) {
        edges.rgb[(y * 90 + x) * 3 + c] = (x / 23 + y / 17 + c) % 2 == 0 ? 255 : 0;
      }
    }
  }
  ExpectEqualsPlain(edges, AddNoise(edges, 5, 8), "edges + noise");
  Frame inverse = edges;
  for (uint8_t& sample : inverse.rgb) sample = static_cast<uint8_t>(255 - sample);
  ExpectEqualsPlain(edges, inverse, "inverted edges");
}

TEST(Ssim, IdenticalIsExactlyOne) {
  for (Content content : {Content::kNatural, Content::kNoise, Content::kFlat}) {
    const Frame a = MakeFrame(content, 50, 31, 3);
    ForEachTarget([&] { EXPECT_EQ(Ssim(a, a), 1.0); });
  }
}

TEST(Ssim, BlackAgainstWhite) {
  const Frame black{20, 20, std::vector<uint8_t>(1200, 0)};
  const Frame white{20, 20, std::vector<uint8_t>(1200, 255)};
  EXPECT_NEAR(Ssim(black, white), 0.0001 / 1.0001, kTolerance);
}

TEST(Ssim, SmallerThanAWindowIsNan) {
  const Frame a = MakeFrame(Content::kNoise, 10, 40, 1), b = MakeFrame(Content::kNoise, 40, 10, 1);
  EXPECT_TRUE(std::isnan(Ssim(a, a)));
  EXPECT_TRUE(std::isnan(Ssim(b, b)));
}

TEST(Ssim, DifferentSizesAreRefused) {
  const Frame a = MakeFrame(Content::kFlat, 16, 12, 1), b = MakeFrame(Content::kFlat, 12, 16, 1);
  EXPECT_THROW(Ssim(a, b), UserError);
}

TEST(GaussianSsim, SixteenBitSamplesEqualPlain) {
  const int width = 45, height = 23;
  const Frame a = MakeFrame(Content::kNatural, width, height, 1), b = AddNoise(a, 9, 2);
  for (int bits : {10, 12, 16}) {
    const double peak = (1 << bits) - 1;
    std::vector<uint16_t> wide_a, wide_b;
    Planes plain_a{width, height, std::vector<std::vector<double>>(3)}, plain_b = plain_a;
    for (size_t i = 0; i < a.rgb.size(); ++i) {
      wide_a.push_back(static_cast<uint16_t>((a.rgb[i] << (bits - 8)) + i % 3));
      wide_b.push_back(static_cast<uint16_t>((b.rgb[i] << (bits - 8)) + i % 2));
      plain_a.channels[i % 3].push_back(wide_a.back() / peak);
      plain_b.channels[i % 3].push_back(wide_b.back() / peak);
    }
    ForEachTarget([&] {
      EXPECT_NEAR(GaussianSsim(wide_a, wide_b, width, height, 3, peak),
                  PlainSsim(plain_a, plain_b),
                  kTolerance)
          << bits << " bit";
    });
  }
}

TEST(GaussianSsim, OneChannel) {
  const Frame a = MakeFrame(Content::kNatural, 3 * 37, 30, 1), b = AddNoise(a, 9, 2);
  // The same bytes as one plane, three times as wide.
  const int width = 3 * a.width;
  Planes plain_a{width, 30, {{}}}, plain_b = plain_a;
  for (uint8_t v : a.rgb) plain_a.channels[0].push_back(v / 255.0);
  for (uint8_t v : b.rgb) plain_b.channels[0].push_back(v / 255.0);
  EXPECT_NEAR(GaussianSsim(a.rgb, b.rgb, width, 30, 1), PlainSsim(plain_a, plain_b), kTolerance);
}

TEST(GaussianSsim, WrongNumberOfSamplesIsRefused) {
  const std::vector<uint8_t> a(300), b(301);
  EXPECT_THROW(GaussianSsim(a, b, 10, 10, 3), UserError);
  EXPECT_THROW(GaussianSsim(a, a, 10, 15, 2), UserError);
}

TEST(SsimVariant, NamesRoundTripAndDefinitionsDiffer) {
  for (SsimVariant variant : {SsimVariant::kWangRgb,
                              SsimVariant::kWangY,
                              SsimVariant::kSkimage7,
                              SsimVariant::kReflect,
                              SsimVariant::kZeroPad,
                              SsimVariant::kFfmpeg}) {
    EXPECT_EQ(ParseSsimVariant(SsimVariantName(variant)), variant);
    EXPECT_GT(SsimVariantDefinition(variant).size(), 30u);
  }
  EXPECT_THAT([] { ParseSsimVariant("ssim"); },
              testing::ThrowsMessage<UserError>(testing::HasSubstr("wang-rgb, wang-y")));
}

TEST(SsimVariant, IdenticalIsOneInEveryVariant) {
  const Frame a = MakeFrame(Content::kNatural, 41, 30, 4);
  for (const char* name : {"wang-rgb", "wang-y", "skimage7", "reflect", "zeropad", "ffmpeg"}) {
    EXPECT_NEAR(Ssim(a, a, ParseSsimVariant(name)), 1.0, 1e-12) << name;
  }
}

// Sums over each 8x8 block, written without sharing anything between blocks.
TEST(SsimVariant, FfmpegEqualsDirectBlocks) {
  const Frame a = MakeFrame(Content::kNatural, 37, 30, 4), b = AddNoise(a, 12, 9);
  double total = 0;
  int blocks = 0;
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y + 8 <= 28; y += 4) {
      for (int x = 0; x + 8 <= 36; x += 4, ++blocks) {
        double s1 = 0, s2 = 0, ss = 0, s12 = 0;
        for (int i = 0; i < 64; ++i) {
          const size_t at = (size_t(y + i / 8) * 37 + x + i % 8) * 3 + c;
          const double p = a.rgb[at], q = b.rgb[at];
          s1 += p, s2 += q, ss += p * p + q * q, s12 += p * q;
        }
        const double c1 = 416, c2 = 235963;
        total += (2 * s1 * s2 + c1) * (2 * (64 * s12 - s1 * s2) + c2) /
                 ((s1 * s1 + s2 * s2 + c1) * (64 * ss - s1 * s1 - s2 * s2 + c2));
      }
    }
  }
  EXPECT_NEAR(Ssim(a, b, SsimVariant::kFfmpeg), total / blocks, 1e-12);
}

}  // namespace
}  // namespace teacache
