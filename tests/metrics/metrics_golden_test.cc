// PSNR and SSIM against the values of TeaCache's scripts, scikit-image, torchmetrics, libvmaf and
// FFmpeg.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/safetensors.h"
#include "metrics/frames/psnr.h"
#include "metrics/frames/ssim.h"
#include "metrics/pairs/evaluate.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/metrics/frames/tensor_frames.h"
#include "tests/support/golden.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

class MetricsTensors : public testing::Test {
 protected:
  // Calls check(case, a, b) for every case of one type.
  template <typename Check>
  void ForEachCase(const std::string& dtype, const Check& check) {
    int ran = 0;
    for (const GoldenCase& golden : FindGoldenCases("metrics_tensors")) {
      const auto tensors =
          SafetensorsFile::Open((golden.folder / (golden.name + ".safetensors")).string());
      for (const auto& item : golden.json["cases"]) {
        if (item["dtype"] != dtype) continue;
        const std::string name = item["name"];
        SCOPED_TRACE(golden.file.string() + " " + name);
        tensors_ = &tensors;
        check(item, tensors.At(name + ".a"), tensors.At(name + ".b"));
        ++ran;
      }
    }
    EXPECT_GT(ran, 0);
  }
  const SafetensorsFile* tensors_ = nullptr;
};

std::span<const uint8_t> Bytes(const TensorView& view) {
  return {reinterpret_cast<const uint8_t*>(view.data.data()), view.data.size()};
}

TEST_F(MetricsTensors, Psnr) {
  ForEachCase("uint8", [](const auto& item, const TensorView& a, const TensorView& b) {
    const uint64_t error = SquaredError(Bytes(a), Bytes(b));
    EXPECT_EQ(error, item["sse_u8"].template get<uint64_t>());
    const double psnr = PsnrFromSquaredError(error, a.data.size());
    const double expected = GoldenNumber(item["psnr_u8_exact_uncapped"]);
    EXPECT_TRUE(psnr == expected || std::abs(psnr - expected) < 1e-9) << psnr;
    EXPECT_NEAR(TeaCachePsnr(psnr), GoldenNumber(item["reference_psnr"]), 5e-6);
  });
}

TEST_F(MetricsTensors, SsimOfTheReference) {
  ForEachCase("uint8", [](const auto& item, const TensorView& a, const TensorView& b) {
    const double expected = GoldenNumber(item["reference_ssim"]);
    if (a.shape[0] == 3) {
      const double ssim = Ssim(PlanarToFrame(a), PlanarToFrame(b));
      EXPECT_TRUE(std::isnan(expected) ? std::isnan(ssim) : std::abs(ssim - expected) < 2e-7)
          << ssim << " expected " << expected;
    } else {
      const int width = int(a.shape[2]), height = int(a.shape[1]);
      EXPECT_NEAR(GaussianSsim(Bytes(a), Bytes(b), width, height, 1), expected, 2e-7);
    }
  });
}

TEST_F(MetricsTensors, SsimVariants) {
  ForEachCase("uint8", [](const auto& item, const TensorView& a, const TensorView& b) {
    if (a.shape[0] != 3) return;
    const Frame x = PlanarToFrame(a), y = PlanarToFrame(b);
    if (item.contains("skimage_default_7x7")) {
      EXPECT_NEAR(
          Ssim(x, y, SsimVariant::kSkimage7), GoldenNumber(item["skimage_default_7x7"]), 2e-7);
    }
    if (item.contains("torchmetrics_ssim")) {
      EXPECT_NEAR(Ssim(x, y, SsimVariant::kReflect), GoldenNumber(item["torchmetrics_ssim"]), 2e-7);
    }
  });
}

// The plain implementation that the fast one is measured against must itself be right.
TEST_F(MetricsTensors, PlainImplementation) {
  const auto check = [&](const auto& item, const TensorView& a, const TensorView& b) {
    const Planes x = ToPlanes(a), y = ToPlanes(b);
    const double mse = PlainMse(x, y), expected_mse = GoldenNumber(item["mse_f64"]);
    EXPECT_NEAR(mse, expected_mse, 1e-7 * expected_mse);
    const double expected = GoldenNumber(item["reference_ssim"]);
    if (std::isnan(expected)) return;
    EXPECT_NEAR(PlainSsim(x, y), GoldenNumber(item["direct_f64_ssim"]), 1e-12);
    EXPECT_NEAR(PlainSsim(x, y), expected, 1e-10);
    EXPECT_TRUE(Near(
        PlainSsimPerChannel(x, y), GoldenNumbers(item["direct_f64_ssim_per_channel"]), 0, 1e-12));
    const TensorView* map = tensors_->Find(item["name"].template get<std::string>() + ".ssim_map");
    if (map == nullptr) return;
    std::vector<double> stored(map->data.size() / 8);
    std::memcpy(stored.data(), map->data.data(), map->data.size());
    std::vector<double> own;
    for (size_t c = 0; c < x.channels.size(); ++c) {
      const auto channel = PlainSsimMap(x.channels[c], y.channels[c], x.width, x.height);
      own.insert(own.end(), channel.begin(), channel.end());
    }
    EXPECT_TRUE(Near(own, stored, 0, 1e-10));
  };
  ForEachCase("uint8", check);
  ForEachCase("float32", check);
}

TEST(MetricsRecipes, CapOf100Decibel) {
  int ran = 0;
  for (const GoldenCase& golden : FindGoldenCases("metrics_tensors")) {
    for (const auto& recipe : golden.json["recipes"]) {
      // flat<level>_<height>x<width>_<n>_samples_plus1
      int level, height, width, samples;
      ASSERT_EQ(std::sscanf(recipe["name"].get<std::string>().c_str(),
                            "flat%d_%dx%d_%d_samples_plus1",
                            &level,
                            &height,
                            &width,
                            &samples),
                4)
          << recipe["name"];
      ++ran;
      std::vector<uint8_t> a(size_t(height) * width * 3, static_cast<uint8_t>(level)), b = a;
      for (int i = 0; i < samples; ++i) b[i] = static_cast<uint8_t>(level + 1);
      const double psnr = PsnrFromSquaredError(SquaredError(a, b), a.size());
      EXPECT_NEAR(TeaCachePsnr(psnr), GoldenNumber(recipe["reference_psnr"]), 5e-6)
          << recipe["name"];
    }
  }
  EXPECT_GT(ran, 0);
}

// Planes of 10-bit 4:2:0 frames, one after the other.
struct Yuv {
  int width, height;
  std::vector<uint16_t> samples;

  size_t frame_size() const { return size_t(width) * height * 3 / 2; }
  size_t frames() const { return samples.size() / frame_size(); }
  std::span<const uint16_t> Plane(size_t frame, int plane) const {
    const size_t luma = size_t(width) * height;
    const size_t offset = plane == 0 ? 0 : luma + (plane - 1) * luma / 4;
    return std::span(samples).subspan(frame * frame_size() + offset, plane == 0 ? luma : luma / 4);
  }
};

Yuv ReadYuv(const std::filesystem::path& file, int width, int height) {
  const std::string bytes = ReadFile(file.string());
  Yuv yuv{width, height, std::vector<uint16_t>(bytes.size() / 2)};
  std::memcpy(yuv.samples.data(), bytes.data(), bytes.size());
  return yuv;
}

double MeanPsnr(const Yuv& a, const Yuv& b, int plane) {
  std::vector<double> values;
  for (size_t t = 0; t < a.frames(); ++t) {
    const auto x = a.Plane(t, plane), y = b.Plane(t, plane);
    values.push_back(PsnrFromSquaredError(SquaredError(x, y), x.size(), 1023));
  }
  return Mean(values);
}

// libvmaf divides samples of 10 bit by four and keeps the constants of 255.
double MeanSsim(const Yuv& a, const Yuv& b) {
  std::vector<double> values;
  for (size_t t = 0; t < a.frames(); ++t) {
    values.push_back(GaussianSsim(a.Plane(t, 0), b.Plane(t, 0), a.width, a.height, 1, 1020));
  }
  return Mean(values);
}

TEST(VmafVectors, TenBitPlanes) {
  const auto ref = SharedGoldenFile("vmaf/src01_hrc00_576x324.yuv420p10le.yuv");
  const auto dis = SharedGoldenFile("vmaf/src01_hrc01_576x324.yuv420p10le.yuv");
  const auto sparks_ref = SharedGoldenFile("vmaf/sparks_ref_480x270.yuv42010le.yuv");
  const auto sparks_dis = SharedGoldenFile("vmaf/sparks_dis_480x270.yuv42010le.yuv");
  if (!ref || !dis || !sparks_ref || !sparks_dis) {
    GTEST_SKIP() << "needs vmaf/*.yuv of the shared golden data";
  }
  const Yuv a = ReadYuv(*ref, 576, 324), b = ReadYuv(*dis, 576, 324);
  ASSERT_EQ(a.frames(), 3u);
  EXPECT_NEAR(MeanPsnr(a, b, 0), 32.57145231892744, 1e-8);
  EXPECT_NEAR(MeanPsnr(a, b, 1), 39.03859552689696, 1e-8);
  EXPECT_NEAR(MeanPsnr(a, b, 2), 41.28060001337217, 1e-8);
  EXPECT_NEAR(MeanSsim(a, b), 0.897876, 6e-7);
  EXPECT_NEAR(MeanSsim(a, b), 0.897863, 2e-5) << "libvmaf's float_ssim";
  const Yuv c = ReadYuv(*sparks_ref, 480, 270), d = ReadYuv(*sparks_dis, 480, 270);
  ASSERT_EQ(c.frames(), 5u);
  EXPECT_NEAR(MeanPsnr(c, d, 0), 48.816214, 6e-7);
  EXPECT_NEAR(MeanSsim(c, d), 0.995663, 6e-7);
}

TEST(FfmpegQualityMetrics, StrictRunRefusesPairsOfDifferentSizes) {
  const auto ref = SharedGoldenFile("ffmpeg-quality-metrics/ref-1280x720.mkv");
  const auto dist = SharedGoldenFile("ffmpeg-quality-metrics/dist-854x480.mkv");
  if (!ref || !dist) GTEST_SKIP() << "needs ffmpeg-quality-metrics/*.mkv of the shared golden data";
  EvaluateOptions options;
  options.gt = ref->string();
  options.gens = {dist->string()};
  const Results strict = EvaluateFolders(options).at(0);
  ASSERT_EQ(strict.videos.size(), 1u);
  EXPECT_THAT(strict.videos[0].error,
              testing::AllOf(testing::HasSubstr("1280x720"), testing::HasSubstr("854x480")));
  options.score.size = SizePolicy::kResizeGen;
  const Results resized = EvaluateFolders(options).at(0);
  EXPECT_EQ(resized.videos[0].error, "");
  EXPECT_GT(resized.videos[0].frames, 0);
}

// FFmpeg's own test pair (tests/fate: testsrc2 against avgblur=4), made by the ffmpeg program.
TEST(FateVectors, TestsourceAgainstBlur) {
  if (std::system("ffmpeg -version > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "needs the ffmpeg program";
  }
  const TempDir dir;
  const std::string source = "testsrc2=size=300x200:rate=1:duration=5,format=rgb24";
  for (const auto& [name, filter] :
       {std::pair("ref", source), std::pair("blur", source + ",avgblur=4,format=rgb24")}) {
    const std::string command = "ffmpeg -loglevel error -f lavfi -i '" + filter +
                                "' -f rawvideo -pix_fmt rgb24 '" + (dir / name) + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  const std::string a = ReadFile(dir / "ref"), b = ReadFile(dir / "blur");
  const size_t size = 300 * 200 * 3;
  ASSERT_EQ(a.size(), 5 * size);
  ASSERT_EQ(b.size(), 5 * size);
  const auto frame = [&](const std::string& bytes, int t) {
    return Frame{300, 200, {bytes.begin() + t * size, bytes.begin() + (t + 1) * size}};
  };
  const std::vector<double> mse = {1367.642090, 885.804382, 274.825073};  // fate, frame 0, R G B
  for (int c = 0; c < 3; ++c) {
    uint64_t sum = 0;
    for (size_t i = c; i < size; i += 3) {
      const int d = static_cast<uint8_t>(a[i]) - static_cast<uint8_t>(b[i]);
      sum += static_cast<uint64_t>(d * d);
    }
    EXPECT_NEAR(static_cast<double>(sum) / 60000, mse[c], 0.002);
  }
  EXPECT_NEAR(Psnr(frame(a, 0), frame(b, 0)), 18.873779, 2e-6);
  const std::vector<double> ssim = {
      .7899504013, .7699453981, .7635806475, .7557469995, .7513461532};
  for (int t = 0; t < 5; ++t) EXPECT_NEAR(Ssim(frame(a, t), frame(b, t)), ssim[t], 1e-7) << t;

  // FFmpeg's own ssim filter against the variant of that name.
  const std::string command =
      "ffmpeg -loglevel error -f rawvideo -pix_fmt rgb24 -s 300x200 -i '" + (dir / "blur") +
      "' -f rawvideo -pix_fmt rgb24 -s 300x200 -i '" + (dir / "ref") +
      "' -lavfi '[0]format=gbrp[x];[1]format=gbrp[y];[x][y]ssim=stats_file=" + (dir / "ssim.log") +
      "' -f null - 2> /dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::istringstream lines(ReadFile(dir / "ssim.log"));
  int t = 0;
  for (std::string line; std::getline(lines, line); ++t) {
    const size_t at = line.find("All:");
    ASSERT_NE(at, std::string::npos) << line;
    EXPECT_NEAR(
        Ssim(frame(a, t), frame(b, t), SsimVariant::kFfmpeg), std::stod(line.substr(at + 4)), 2e-6);
  }
  EXPECT_EQ(t, 5);
}

}  // namespace
}  // namespace teacache
