#include "metrics/frames/ms_ssim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>

#include "datasets/base/error.h"
#include "metrics/metric_list.h"
#include "metrics/pairs/collect_results.h"
#include "metrics/pairs/results_text.h"
#include "metrics/pairs/score_video.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/support/golden.h"

namespace teacache {
namespace {

using testing::HasSubstr;

// The pictures of tests/golden/metrics/make_ms_ssim.py.
uint32_t Hash(uint32_t x, uint32_t y, uint32_t c, uint32_t seed) {
  uint32_t h = x * 374761393u + y * 668265263u + c * 2246822519u + seed * 3266489917u;
  h = (h ^ (h >> 13)) * 1274126177u;
  return h ^ (h >> 16);
}

template <typename Value>
Frame Make(int width, int height, const Value& value) {
  Frame frame{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        frame.rgb.push_back(static_cast<uint8_t>(std::clamp(value(x, y, c), 0, 255)));
      }
    }
  }
  return frame;
}

Frame GoldenFrame(int width, int height, int seed) {
  return Make(width, height, [&](int x, int y, int c) {
    const int ramp = std::abs((3 * x + 2 * y + 40 * c + 11 * seed) % 512 - 256);
    const int block = (x / 19 + y / 23) % 5 == 0 ? 60 : 0;
    return (3 * ramp + block + static_cast<int>(Hash(x, y, c, seed) % 64)) / 4;
  });
}

Frame Changed(const Frame& gt, const std::string& kind, int amount) {
  return Make(gt.width, gt.height, [&](int x, int y, int c) {
    const int from = kind == "shifted" ? (x + gt.width - amount) % gt.width : x;
    const int value = gt.rgb[(size_t(y) * gt.width + from) * 3 + c];
    if (kind == "inverted") return 255 - value;
    if (kind == "brighter") return value + amount;
    if (kind == "noise") {
      return value + static_cast<int>(Hash(x, y, c, 77) % (2 * amount + 1)) - amount;
    }
    return value;
  });
}

// The definition, in double.
Planes PlainHalved(const Planes& planes) {
  Planes half{planes.width / 2, planes.height / 2, {}};
  for (const std::vector<double>& plane : planes.channels) {
    std::vector<double>& out = half.channels.emplace_back();
    for (int y = 0; y < half.height; ++y) {
      for (int x = 0; x < half.width; ++x) {
        const double* p = &plane[size_t(2 * y) * planes.width + 2 * x];
        out.push_back((p[0] + p[1] + p[planes.width] + p[planes.width + 1]) / 4);
      }
    }
  }
  return half;
}

Planes PlainReflected(const Planes& planes) {
  Planes out{planes.width + 10, planes.height + 10, {}};
  const auto mirrored = [](int i, int n) {
    if (i < 0) return -i;
    return i < n ? i : 2 * n - 2 - i;
  };
  for (const std::vector<double>& plane : planes.channels) {
    std::vector<double>& samples = out.channels.emplace_back();
    for (int y = -5; y < planes.height + 5; ++y) {
      for (int x = -5; x < planes.width + 5; ++x) {
        samples.push_back(
            plane[size_t(mirrored(y, planes.height)) * planes.width + mirrored(x, planes.width)]);
      }
    }
  }
  return out;
}

double PlainMsSsim(const Frame& gt, const Frame& gen) {
  const double weights[] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
  Planes a = ToPlanes(gt, false), b = ToPlanes(gen, false);
  double product = 1;
  for (int scale = 0; scale < 4; ++scale) {
    product *= std::pow(std::max(0.0, PlainContrast(a, b)), weights[scale]);
    a = PlainHalved(a);
    b = PlainHalved(b);
  }
  const double last = PlainSsim(PlainReflected(a), PlainReflected(b));
  return product * std::pow(std::max(0.0, last), weights[4]);
}

TEST(MsSsim, EqualsTorchmetrics) {
  int cases = 0;
  for (const GoldenCase& golden : FindGoldenCases("ms_ssim")) {
    for (const auto& item : golden.json["cases"]) {
      SCOPED_TRACE(item.dump());
      const Frame gt = GoldenFrame(item["width"], item["height"], item["seed"]);
      const Frame gen = Changed(gt, item["kind"], item["amount"]);
      ASSERT_EQ(std::accumulate(gt.rgb.begin(), gt.rgb.end(), 0), item["gt_sum"].get<int>());
      ASSERT_EQ(std::accumulate(gen.rgb.begin(), gen.rgb.end(), 0), item["gen_sum"].get<int>());
      EXPECT_NEAR(MsSsim(gt, gen), item["ms_ssim"].get<double>(), 1e-6);
      ++cases;
    }
  }
  EXPECT_EQ(cases, 8);
}

TEST(MsSsim, EqualsPlain) {
  for (const auto& [width, height] : {std::pair(176, 176), std::pair(191, 177)}) {
    for (Content content : {Content::kNatural, Content::kNoise, Content::kFlat}) {
      const Frame a = MakeFrame(content, width, height, 5), b = AddNoise(a, 9, 6);
      EXPECT_NEAR(MsSsim(a, b), PlainMsSsim(a, b), 1e-6) << int(content);
      EXPECT_EQ(MsSsim(a, b), MsSsim(b, a));
      EXPECT_EQ(MsSsim(a, a), 1);
    }
  }
}

TEST(MsSsim, SmallPicturesAreRefused) {
  const Frame small = MakeFrame(Content::kNatural, 400, 175, 1);
  EXPECT_THAT([&] { MsSsim(small, small); },
              testing::ThrowsMessage<UserError>(
                  HasSubstr("MS-SSIM: pictures must be of one size, 176x176 or larger")));
  Video video;
  video.frames = {small};
  Video gen;
  gen.frames = {AddNoise(small, 3, 1)};
  ScoreOptions options;
  options.metrics = MakeMetrics("psnr,ms-ssim");
  EXPECT_EQ(ScoreVideos(video, gen, options).error,
            "MS-SSIM: pictures must be at least 176x176 but are 400x175");
}

// It comes through the list and is in every output.
TEST(MsSsim, IsInResults) {
  Video gt, gen;
  for (uint32_t t = 0; t < 2; ++t) {
    gt.frames.push_back(MakeFrame(Content::kNatural, 180, 176, t));
    gen.frames.push_back(AddNoise(gt.frames[t], 9, t));
  }
  gen.frames[1] = gt.frames[1];
  ScoreOptions options;
  options.metrics = MakeMetrics("ms-ssim,psnr");
  const VideoScore score = ScoreVideos(gt, gen, options, "clip");
  ASSERT_EQ(score.error, "");
  const double value = (MsSsim(gt.frames[0], gen.frames[0]) + 1) / 2;
  EXPECT_EQ(score.scores.at("ms-ssim"), value);
  const Results results = CollectResults({score}, options);
  EXPECT_EQ(results.summary.at("ms-ssim").mean, value);
  EXPECT_THAT(ResultsText(results), HasSubstr("MS-SSIM (higher is better)"));
  EXPECT_THAT(ResultsText(results), HasSubstr("ms-ssim: Wang et al. 2003"));
  EXPECT_THAT(ResultsToCsv(results), testing::StartsWith("name,psnr,ms-ssim,frames,"));
  EXPECT_THAT(ResultsToJson(results), HasSubstr("\"label\": \"MS-SSIM\""));
}

}  // namespace
}  // namespace teacache
