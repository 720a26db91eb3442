// Dimensions end to end with small stand-in networks, against the reference's answers.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/torch_tensors.h"
#include "metrics/vbench/evaluate_vbench.h"
#include "metrics/vbench/networks/network_scorer.h"
#include "metrics/vbench/networks/network_set.h"
#include "metrics/vbench/networks/setup.h"
#include "tests/metrics/vbench/stand_ins.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kMerges = "#\na b\n";

// Frames of a video one after the other: a mean of the pictures' features.
constexpr const char* kVideoSource = R"(
def forward(self, x):
    return self.net.forward(x.flatten(0, 1)).mean(0, True)
)";
// Whatever the text, these features.
constexpr const char* kTextSource = R"(
def forward(self, tokens):
    return self.features.unsqueeze(0) + 0 * tokens.sum()
)";

// A folder of networks made from the golden stand-ins.
class NetworkFolder {
 public:
  explicit NetworkFolder(const GoldenCase& golden)
      : golden_(golden),
        tensors_(LoadTensors((golden.folder / "vbench_tensors.safetensors").string())) {
    Copy("tiny_extractor.ts", {"dino.ts", "clip_b32_image.ts", "clip_l14_image.ts"});
    Copy("tiny_flow.ts", {"raft.ts"});
    Copy("tiny_interp.ts", {"amt.ts"});
    Copy("tiny_quality.ts", {"musiq.ts"});
    WriteScript(folder_ / "viclip_video.ts", kVideoSource, {}, {{"net", folder_ / "dino.ts"}});
    SaveTensors(folder_ / "head.safetensors",
                {{"weight", tensors_.at("aesthetic_head.weight")},
                 {"bias", tensors_.at("aesthetic_head.bias")}});
    AtomicWriteFile(folder_ / "bpe_simple_vocab_16e6.txt", kMerges);
    SetText("viclip_text.ts", "text_feature.0");
    SetText("clip_b32_text.ts", "style_feature.0");
  }

  void SetText(const std::string& file, const std::string& tensor) const {
    WriteScript(folder_ / file, kTextSource, {{"features", tensors_.at(tensor)}});
  }
  NetworkFiles Files() const {
    return FindNetworkFiles(folder_.path().string(),
                            {"aesthetic_head=" + (folder_ / "head.safetensors")});
  }
  std::string path(const std::string& name) const { return folder_ / name; }

 private:
  void Copy(const std::string& from, const std::vector<std::string>& to) const {
    for (const std::string& name : to) fs::copy_file(golden_.folder / from, folder_ / name);
  }

  const GoldenCase& golden_;
  TensorMap tensors_;
  TempDir folder_;
};

VbenchVideoScore ScoreFileOn(at::Device device,
                             const NetworkFiles& files,
                             const std::string& path,
                             const std::string& dimension,
                             int batch) {
  VbenchOptions options;
  options.videos = path;
  options.custom = true;
  options.batch = batch;
  options.dimensions = ParseVbenchDimensions(dimension);
  options.scorers = {MakeNetworkScorer(files, options.dimensions, device)};
  const VbenchResults results = EvaluateVbench(options);
  EXPECT_EQ(results.videos.size(), 1u);
  EXPECT_EQ(results.NumErrors(), 0) << VbenchText(results);
  return results.videos[0];
}

// Scores one file in one dimension, as the driver does; on a GPU, a true or a fake one, the same.
VbenchVideoScore ScoreFile(const NetworkFiles& files,
                           const std::string& path,
                           const std::string& dimension,
                           int batch = 4) {
  const VbenchVideoScore score = ScoreFileOn(at::kCPU, files, path, dimension, batch);
  if (at::hasCUDA()) {
    const VbenchVideoScore there = ScoreFileOn(at::kCUDA, files, path, dimension, batch);
    for (const auto& [name, value] : score.scores) {
      EXPECT_NEAR(there.scores.at(name).value, value.value, 1e-4 * (1 + std::abs(value.value)));
    }
  }
  return score;
}

double Value(const VbenchVideoScore& video, const std::string& dimension) {
  const auto found = video.scores.find(dimension);
  return found == video.scores.end() ? std::nan("") : found->second.value;
}

// Every dimension whose network looks at pictures alone.
TEST(VbenchNetworks, GoldenVideosAndScores) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const NetworkFolder networks(golden);
    for (const auto& [dimension, tolerance] :
         std::vector<std::pair<std::string, double>>{{"subject_consistency", 1e-4},
                                                     {"background_consistency", 1e-4},
                                                     {"motion_smoothness", 1e-5},
                                                     {"aesthetic_quality", 1e-4},
                                                     {"imaging_quality", 1e-2}}) {
      SCOPED_TRACE(dimension);
      const nlohmann::json& expected = golden.json["results"][dimension];
      VbenchResults results;
      for (const nlohmann::json& row : expected["video_results"]) {
        const std::string path = (golden.folder / row["video_path"].get<std::string>()).string();
        results.videos.push_back(ScoreFile(networks.Files(), path, dimension));
        EXPECT_NEAR(
            Value(results.videos.back(), dimension), row["video_results"].get<double>(), tolerance)
            << path;
      }
      SummarizeVbench({}, &results);
      const char* score = expected.contains("score") ? "score" : "score_frame_weighted";
      EXPECT_NEAR(results.summary.at(dimension).score, expected[score].get<double>(), 1e-4);
    }
  }
}

TEST(VbenchNetworks, GoldenDynamicDegree) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const NetworkFolder networks(golden);
    for (const nlohmann::json& e : golden.json["results"]["dynamic_degree"]["end_to_end"]) {
      const std::string path = (golden.folder / e["video"].get<std::string>()).string();
      const VbenchVideoScore video = ScoreFile(networks.Files(), path, "dynamic_degree");
      EXPECT_EQ(Value(video, "dynamic_degree"), e["moved"].get<bool>() ? 1.0 : 0.0) << path;
      EXPECT_EQ(video.scores.at("dynamic_degree").weight, e["sampled_frames"].get<int64_t>());
    }
  }
}

// The text's features are those that the golden case was made with.
TEST(VbenchNetworks, GoldenVideoAndText) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const NetworkFolder networks(golden);
    for (const std::string dimension : {"temporal_style", "overall_consistency"}) {
      const nlohmann::json& expected = golden.json["results"][dimension];
      for (size_t i = 0; i < expected["video_results"].size(); ++i) {
        const nlohmann::json& row = expected["video_results"][i];
        networks.SetText("viclip_text.ts", expected["text_feature"][i].get<std::string>());
        const std::string path = (golden.folder / row["video_path"].get<std::string>()).string();
        EXPECT_NEAR(Value(ScoreFile(networks.Files(), path, dimension), dimension),
                    row["video_results"].get<double>(),
                    1e-4)
            << path;
      }
    }
  }
}

TEST(VbenchNetworks, GoldenAppearanceStyle) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const NetworkFolder networks(golden);
    const nlohmann::json& expected = golden.json["results"]["appearance_style"];
    const auto dimensions = ParseVbenchDimensions("appearance_style");
    for (size_t i = 0; i < expected["video_results"].size(); ++i) {
      const nlohmann::json& row = expected["video_results"][i];
      networks.SetText("clip_b32_text.ts", expected["text_feature"][i].get<std::string>());
      const std::string path = (golden.folder / row["video_path"].get<std::string>()).string();
      const auto scorer = MakeNetworkScorer(networks.Files(), dimensions, at::kCPU);
      const Video video = ReadVideo(path);
      const auto session = scorer->Start(
          {"x", path, "x", dimensions, R"({"appearance_style": {"appearance_style": "ab"}})"},
          dimensions,
          {});
      session->Add(video.frames);
      VbenchVideoScore score;
      EXPECT_FALSE(session->Finish(static_cast<int64_t>(video.frames.size()), &score));
      const VbenchScore& style = score.scores.at("appearance_style");
      EXPECT_NEAR(style.value, row["video_results"].get<double>(), 1e-4);
      const auto frames = GoldenNumbers(row["frame_results"]);
      ASSERT_EQ(style.frames.size(), frames.size());
      for (size_t t = 0; t < frames.size(); ++t) EXPECT_NEAR(style.frames[t], frames[t], 1e-4);
    }
  }
}

TEST(VbenchNetworks, BatchesAndOtherDimensionsDoNotChangeAScore) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const NetworkFolder networks(golden);
    const std::string path = (golden.folder / golden.json["videos"][2].get<std::string>()).string();
    const std::string all =
        "subject_consistency,background_consistency,motion_smoothness,dynamic_degree,"
        "aesthetic_quality,imaging_quality,temporal_style,overall_consistency";
    const VbenchVideoScore together = ScoreFile(networks.Files(), path, all, 7);
    EXPECT_EQ(together.scores.size(), 8u);
    EXPECT_EQ(Value(together, "temporal_style"), Value(together, "overall_consistency"));
    for (const auto& [dimension, score] : together.scores) {
      const VbenchVideoScore alone = ScoreFile(networks.Files(), path, dimension, 1);
      EXPECT_NEAR(Value(alone, dimension), score.value, 1e-6) << dimension;
    }
  }
}

// A container that declares no number of frames (here: a tensor file says it, a stream need not).
TEST(VbenchNetworks, FramesComeAgainWhenTheirNumberWasNotKnown) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const NetworkFolder networks(golden);
    const auto dimensions = ParseVbenchDimensions("subject_consistency,temporal_style");
    const auto scorer = MakeNetworkScorer(networks.Files(), dimensions, at::kCPU);
    const Video video = MakeTestVideo(64, 48, 11);
    const auto score_with = [&](int64_t declared, int passes) {
      VideoInfo info;
      info.num_frames = declared;
      const auto session = scorer->Start({"x", "x", "x", dimensions, ""}, dimensions, info);
      VbenchVideoScore score;
      bool again = true;
      for (int pass = 0; pass < passes; ++pass) {
        EXPECT_TRUE(again);
        session->Add(video.frames);
        again = session->Finish(11, &score);
      }
      EXPECT_FALSE(again);
      return score.scores.at("temporal_style").value + score.scores.at("subject_consistency").value;
    };
    const double expected = score_with(11, 1);
    EXPECT_EQ(score_with(-1, 2), expected);
    EXPECT_EQ(score_with(30, 2), expected);
  }
}

TEST(VbenchNetworks, TooFewFramesAreTheVideosMistake) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const NetworkFolder networks(golden);
    const auto dimensions =
        ParseVbenchDimensions("subject_consistency,motion_smoothness,dynamic_degree");
    const auto scorer = MakeNetworkScorer(networks.Files(), dimensions, at::kCPU);
    const Video video = MakeTestVideo(64, 48, 1);
    const auto session = scorer->Start({"x", "x", "x", dimensions, ""}, dimensions, {});
    session->Add(video.frames);
    VbenchVideoScore score;
    session->Finish(1, &score);
    EXPECT_THAT(score.errors.at("subject_consistency"), HasSubstr("at least 2 frames"));
    EXPECT_THAT(score.errors.at("motion_smoothness"), HasSubstr("at least 3 frames"));
    EXPECT_EQ(Value(score, "dynamic_degree"), 0);
  }
}

// Loading checks shapes and types.
class NetworkMistakes : public ::testing::Test {
 protected:
  void SetUp() override { golden_ = FindGoldenCases("vbench_scores"); }
  std::string ErrorOf(const NetworkFolder& networks, const std::string& dimension) const {
    try {
      const NetworkSet set(networks.Files(), ParseVbenchDimensions(dimension), at::kCPU);
    } catch (const UserError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      return error.what();
    }
    return "no error";
  }
  std::vector<GoldenCase> golden_;
};

TEST_F(NetworkMistakes, AreNamedWithWhatWasExpected) {
  ASSERT_FALSE(golden_.empty());
  const NetworkFolder networks(golden_[0]);
  const std::string dino = networks.path("dino.ts");
  EXPECT_EQ(ErrorOf(networks, "subject_consistency"), "no error");
  AtomicWriteFile(dino, "no network");
  EXPECT_THAT(ErrorOf(networks, "subject_consistency"),
              AllOf(HasSubstr("dino.ts"), HasSubstr("must be a TorchScript file")));
  WriteScript(dino, "def forward(self, x):\n    return x.mean((2, 3)).double()\n");
  EXPECT_THAT(ErrorOf(networks, "subject_consistency"),
              AllOf(HasSubstr("must return float32 for float32 [2, 3, 224, 256]"),
                    HasSubstr("float64 [2, 3]")));
  WriteScript(dino, "def forward(self, x):\n    return x.mean(0)\n");
  EXPECT_THAT(ErrorOf(networks, "subject_consistency"),
              AllOf(HasSubstr("must return float32 [2, D]"), HasSubstr("[3, 224, 256]")));
  WriteScript(dino, "def forward(self, x):\n    return x.reshape(2, 3 * 224 * 224)\n");
  EXPECT_THAT(ErrorOf(networks, "subject_consistency"),
              AllOf(HasSubstr("fails on float32 [2, 3, 224, 256]"), HasSubstr("shape")));
  WriteScript(dino, "def forward(self, x):\n    return x, x\n");
  EXPECT_THAT(ErrorOf(networks, "subject_consistency"), HasSubstr("must return one tensor"));
  WriteScript(dino, "def forward(self, x, y):\n    return x\n");
  EXPECT_THAT(ErrorOf(networks, "subject_consistency"), HasSubstr("fails on"));
  WriteScript(networks.path("raft.ts"), "def forward(self, x, y):\n    return x\n");
  EXPECT_THAT(
      ErrorOf(networks, "dynamic_degree"),
      AllOf(HasSubstr("must return float32 [1, 2, 128, 144]"), HasSubstr("[1, 3, 128, 144]")));
  WriteScript(networks.path("viclip_text.ts"),
              "def forward(self, x):\n    return x[:, :7].float()\n");
  EXPECT_THAT(ErrorOf(networks, "temporal_style"), HasSubstr("32, but returns 7"));
  SaveTensors(networks.path("head.safetensors"), {{"weight", at::zeros({1, 32})}});
  EXPECT_THAT(ErrorOf(networks, "aesthetic_quality"), HasSubstr("\"bias\" float32 [1]"));
  SaveTensors(networks.path("head.safetensors"),
              {{"weight", at::zeros({1, 31})}, {"bias", at::zeros({1})}});
  EXPECT_THAT(ErrorOf(networks, "aesthetic_quality"), HasSubstr("32 features"));
}

// A traced network says which pictures it is for, and is tried with those.
TEST_F(NetworkMistakes, NetworksOfOneSize) {
  ASSERT_FALSE(golden_.empty());
  const NetworkFolder networks(golden_[0]);
  const std::string musiq = networks.path("musiq.ts");
  WriteScript(musiq,
              "def forward(self, x):\n    return x.reshape(1, 3 * 48 * 64).mean(1, True)\n",
              {},
              {},
              {{"height", 48}, {"width", 64}});
  EXPECT_EQ(ErrorOf(networks, "imaging_quality"), "no error");
  const auto dimensions = ParseVbenchDimensions("imaging_quality");
  const auto scorer = MakeNetworkScorer(networks.Files(), dimensions, at::kCPU);
  const auto errors_of = [&](int width, int height) {
    const auto session = scorer->Start({"x", "x", "x", dimensions, ""}, dimensions, {});
    session->Add(MakeTestVideo(width, height, 2).frames);
    VbenchVideoScore score;
    session->Finish(2, &score);
    return score.errors;
  };
  EXPECT_TRUE(errors_of(64, 48).empty());
  EXPECT_THAT(
      errors_of(48, 64).at("imaging_quality"),
      AllOf(HasSubstr("musiq.ts"), HasSubstr("for pictures of 64x48 alone but these are 48x64")));
}

TEST_F(NetworkMistakes, MissingNetworksAndDetectorsSayWhatToDo) {
  VbenchOptions options;
  const auto error_of = [&](const VbenchSetup& setup) -> std::string {
    try {
      SetUpVbench(setup, &options);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of({"appearance_style", "", {}, {}, "cpu"}),
              AllOf(HasSubstr("clip_b32_image.ts, clip_b32_text.ts"), HasSubstr("--networks")));
  EXPECT_THAT(error_of({"object_class", "", {}, {}, "cpu"}),
              AllOf(HasSubstr("GRiT"), HasSubstr("--detections"), HasSubstr("aggregate")));
  EXPECT_THAT(error_of({"", "/no/folder", {}, {}, "cpu"}), HasSubstr("must be a folder"));
  EXPECT_THAT(error_of({"", "", {"vgg=x.ts"}, {}, "cpu"}), HasSubstr("NAME=FILE"));
  EXPECT_THAT(error_of({"", "", {"dino=absent.ts"}, {}, "cpu"}), HasSubstr("does not exist"));
  EXPECT_THAT(error_of({"", "", {}, {}, "tpu"}), HasSubstr("--device"));
  EXPECT_EQ(error_of({"", "", {}, {}, "cpu"}), "no error");
  ASSERT_EQ(options.dimensions.size(), 1u);
  EXPECT_EQ(options.dimensions[0]->name, "temporal_flickering");
}

}  // namespace
}  // namespace teacache
