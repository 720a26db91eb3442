// The parts of VBench that need no network: differences, frame choice, similarities, flow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstring>
#include <random>

#include "datasets/base/error.h"
#include "datasets/tensors/safetensors.h"
#include "metrics/vbench/feature_math.h"
#include "metrics/vbench/flicker.h"
#include "metrics/vbench/frame_choice.h"
#include "metrics/vbench/networks/pil_resize.h"
#include "tests/support/golden.h"
#include "tests/support/matchers.h"

namespace teacache {
namespace {

std::vector<float> Floats(const TensorView& view) {
  std::vector<float> values(view.data.size() / sizeof(float));
  std::memcpy(values.data(), view.data.data(), view.data.size());
  return values;
}

struct ScoresCase {
  GoldenCase golden;
  SafetensorsFile tensors;
};

std::vector<ScoresCase> ScoresCases() {
  std::vector<ScoresCase> cases;
  for (GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const std::string path = (golden.folder / "vbench_tensors.safetensors").string();
    cases.push_back({std::move(golden), SafetensorsFile::Open(path)});
  }
  return cases;
}

uint64_t PlainDifference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  uint64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<uint64_t>(std::abs(a[i] - b[i]));
  return sum;
}

TEST(AbsoluteDifference, EqualsThePlainSumAtEverySizeAndWithEveryInstructionSet) {
  std::mt19937 random(1);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    for (size_t n : {0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 1000, 40001}) {
      std::vector<uint8_t> a(n), b(n);
      for (uint8_t& value : a) value = static_cast<uint8_t>(random());
      for (uint8_t& value : b) value = static_cast<uint8_t>(random());
      EXPECT_EQ(AbsoluteDifference(a, b), PlainDifference(a, b)) << n;
    }
    const std::vector<uint8_t> black(100003, 0), white(100003, 255);
    EXPECT_EQ(AbsoluteDifference(black, white), uint64_t{255} * 100003);
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST(TemporalFlickering, Golden) {
  for (const ScoresCase& c : ScoresCases()) {
    const nlohmann::json& expected = c.golden.json["results"]["temporal_flickering"];
    double sum = 0;
    for (const nlohmann::json& detail : expected["detail"]) {
      const Video video =
          ReadVideo((c.golden.folder / detail["video"].get<std::string>()).string());
      FlickerSum flicker;
      std::vector<uint64_t> sads;
      for (size_t i = 0; i < video.frames.size(); ++i) {
        flicker.Add(video.frames[i]);
        if (i > 0) {
          sads.push_back(AbsoluteDifference(video.frames[i - 1].rgb, video.frames[i].rgb));
        }
      }
      EXPECT_EQ(sads, detail["pair_sad_u8"].get<std::vector<uint64_t>>());
      EXPECT_NEAR(flicker.Score(), detail["score_from_integers"].get<double>(), 1e-14);
      sum += flicker.Score();
    }
    EXPECT_NEAR(sum / static_cast<double>(expected["detail"].size()),
                expected["score"].get<double>(),
                1e-7);
  }
}

TEST(TemporalFlickering, SizesAndSingleFrames) {
  FlickerSum flicker;
  flicker.Add({2, 1, std::vector<uint8_t>(6, 0)});
  EXPECT_THROW(flicker.Score(), UserError);
  flicker.Add({2, 1, std::vector<uint8_t>(6, 51)});
  EXPECT_NEAR(flicker.Score(), 0.8, 1e-15);
  EXPECT_THROW(flicker.Add({1, 2, std::vector<uint8_t>(6, 0)}), UserError);
}

TEST(MiddleFrames, Golden) {
  for (const ScoresCase& c : ScoresCases()) {
    for (const nlohmann::json& e : c.golden.json["results"]["frame_indices_middle"]) {
      EXPECT_EQ(MiddleFrames(e["num_frames"].get<int64_t>(), e["vlen"].get<int64_t>()),
                e["indices"].get<std::vector<int64_t>>())
          << e.dump();
    }
  }
  EXPECT_TRUE(MiddleFrames(8, 0).empty());
}

TEST(FlowInterval, RoundsHalvesToEven) {
  EXPECT_EQ(FlowInterval(24), 3);
  EXPECT_EQ(FlowInterval(8), 1);
  EXPECT_EQ(FlowInterval(12), 2);  // 1.5
  EXPECT_EQ(FlowInterval(20), 2);  // 2.5
  EXPECT_EQ(FlowInterval(29.97), 4);
  EXPECT_EQ(FlowInterval(3), 1);
  EXPECT_EQ(FlowInterval(0), 1);
}

TEST(PadToMultiple, Golden) {
  for (const ScoresCase& c : ScoresCases()) {
    for (const nlohmann::json& e : c.golden.json["results"]["padders"]) {
      for (const auto& [name, divisor] : {std::pair{"amt16", 16}, {"raft8", 8}}) {
        const Padding p =
            PadToMultiple(e["shape"][0].get<int64_t>(), e["shape"][1].get<int64_t>(), divisor);
        EXPECT_EQ((std::vector<int64_t>{p.left, p.right, p.top, p.bottom}),
                  e[name].get<std::vector<int64_t>>())
            << e.dump();
      }
    }
  }
}

TEST(ConsistencySum, Golden) {
  for (const ScoresCase& c : ScoresCases()) {
    for (const nlohmann::json& e : c.golden.json["results"]["consistency_on_features"]) {
      const TensorView& view = c.tensors.At(e["tensor"].get<std::string>());
      const std::vector<float> values = Floats(view);
      const size_t size = static_cast<size_t>(view.shape[1]);
      ConsistencySum sum;
      for (size_t i = 0; i < values.size(); i += size) sum.Add({values.data() + i, size});
      EXPECT_EQ(sum.count(), view.shape[0] - 1);
      EXPECT_NEAR(sum.sum() / static_cast<double>(sum.count()), e["score"].get<double>(), 1e-6)
          << e.dump();
    }
  }
}

TEST(DynamicDegree, Golden) {
  for (const ScoresCase& c : ScoresCases()) {
    const nlohmann::json& expected = c.golden.json["results"]["dynamic_degree"];
    for (const nlohmann::json& e : expected["get_score"]) {
      const std::vector<float> flow = Floats(c.tensors.At(e["tensor"].get<std::string>()));
      const size_t n = flow.size() / 2;
      const double score = LargestFlow({flow.data(), n}, {flow.data() + n, n});
      EXPECT_TRUE(Near(std::vector{score}, std::vector{GoldenNumber(e["score"])}, 1e-5, 1e-5));
    }
    for (const nlohmann::json& e : expected["check_move"]) {
      EXPECT_EQ(IsMoving(e["pair_scores"].get<std::vector<double>>(),
                         e["frames"].get<int64_t>(),
                         e["height"].get<int64_t>(),
                         e["width"].get<int64_t>()),
                e["moved"].get<bool>())
          << e.dump();
    }
  }
}

TEST(TruncatedByte, Golden) {
  for (const ScoresCase& c : ScoresCases()) {
    const nlohmann::json& e = c.golden.json["results"]["tensor2img"];
    for (size_t i = 0; i < e["input"].size(); ++i) {
      EXPECT_EQ(TruncatedByte(e["input"][i].get<float>()), e["output"][i].get<int>()) << i;
    }
  }
}

TEST(PilResize, FlatStaysFlatAndSameSizeStaysEqual) {
  const Frame flat{7, 5, std::vector<uint8_t>(7 * 5 * 3, 201)};
  for (const PilFilter filter : {PilFilter::kBilinear, PilFilter::kBicubic}) {
    EXPECT_EQ(PilResize(flat, 7, 5, filter).rgb, flat.rgb);
    const Frame scaled = PilResize(flat, 3, 11, filter);
    EXPECT_EQ(scaled.width, 3);
    EXPECT_EQ(scaled.height, 11);
    EXPECT_EQ(scaled.rgb, std::vector<uint8_t>(3 * 11 * 3, 201));
  }
}

}  // namespace
}  // namespace teacache
