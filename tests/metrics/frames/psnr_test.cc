#include "metrics/frames/psnr.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "datasets/base/error.h"
#include "tests/metrics/frames/plain_metrics.h"

namespace teacache {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// The sum, one sample after the other.
template <typename T>
uint64_t PlainSquaredError(const std::vector<T>& a, const std::vector<T>& b) {
  uint64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const int64_t d = int64_t{a[i]} - int64_t{b[i]};
    sum += static_cast<uint64_t>(d * d);
  }
  return sum;
}

template <typename T>
std::vector<T> RandomSamples(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<T> out(n);
  for (T& value : out) value = static_cast<T>(random());
  return out;
}

// Runs `check` with every instruction set this machine has.
void ForEachTarget(const std::function<void()>& check) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    check();
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST(SquaredError, EqualsThePlainSumAtEverySize) {
  ForEachTarget([] {
    for (size_t n : {0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 4097}) {
      const auto a = RandomSamples<uint8_t>(n, 1 + n), b = RandomSamples<uint8_t>(n, 1000 + n);
      EXPECT_EQ(SquaredError(a, b), PlainSquaredError(a, b)) << n << " samples";
      const auto c = RandomSamples<uint16_t>(n, 7 + n), d = RandomSamples<uint16_t>(n, 2000 + n);
      EXPECT_EQ(SquaredError(c, d), PlainSquaredError(c, d)) << n << " samples of 16 bit";
    }
  });
}

TEST(SquaredError, DoesNotOverflowOnLargeWorstCase) {
  // 3 * 3840 * 2160 samples, all 255 apart: more than any 32-bit lane can hold.
  const size_t n = size_t{3} * 3840 * 2160 + 5;
  const std::vector<uint8_t> black(n, 0), white(n, 255);
  ForEachTarget([&] { EXPECT_EQ(SquaredError(black, white), uint64_t{65025} * n); });
}

TEST(SquaredError, SixteenBitWorstCase) {
  const std::vector<uint16_t> a(1000, 0), b(1000, 65535);
  EXPECT_EQ(SquaredError(a, b), uint64_t{4294836225} * 1000);
  EXPECT_EQ(PsnrFromSquaredError(SquaredError(a, b), 1000, 65535), 0.0);
}

TEST(Psnr, ConstantOffset) {
  for (int k : {1, 2, 10, 100, 255}) {
    const Frame a{20, 13, std::vector<uint8_t>(20 * 13 * 3, 0)};
    const Frame b{20, 13, std::vector<uint8_t>(20 * 13 * 3, static_cast<uint8_t>(k))};
    EXPECT_NEAR(Psnr(a, b), 20 * std::log10(255.0 / k), 1e-12);
  }
}

TEST(Psnr, IdenticalIsInfinite) {
  const Frame a = MakeFrame(Content::kNatural, 33, 21, 5);
  EXPECT_EQ(Psnr(a, a), kInf);
  EXPECT_EQ(TeaCachePsnr(Psnr(a, a)), 100);
}

TEST(Psnr, AgreesWithDoubleAndIsSymmetric) {
  const Frame a = MakeFrame(Content::kNatural, 97, 61, 5);
  const Frame b = AddNoise(a, 9, 6);
  const double mse = PlainMse(ToPlanes(a, false), ToPlanes(b, false));
  EXPECT_NEAR(Psnr(a, b), -10 * std::log10(mse), 1e-8);
  EXPECT_EQ(Psnr(a, b), Psnr(b, a));
}

TEST(Psnr, DifferentSizesAreRefused) {
  const Frame a = MakeFrame(Content::kFlat, 16, 8, 1), b = MakeFrame(Content::kFlat, 8, 16, 1);
  EXPECT_THROW(Psnr(a, b), UserError);
}

TEST(TeaCachePsnr, CapIsBetweenFiveAndSixSingleLevelDifferencesAt512) {
  const uint64_t count = uint64_t{512} * 512 * 3;
  EXPECT_EQ(TeaCachePsnr(PsnrFromSquaredError(5, count)), 100);
  EXPECT_NEAR(TeaCachePsnr(PsnrFromSquaredError(6, count)), 99.3059, 5e-5);
}

}  // namespace
}  // namespace teacache
