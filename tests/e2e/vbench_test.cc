// vbench-score as a user runs it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "datasets/video/video.h"
#include "tests/e2e/run_tool.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

constexpr const char* kProgram = "vbench-score";

class VbenchTest : public ::testing::Test {
 protected:
  ProcessResult Run(const Arguments& arguments, const ProcessOptions& options = {}) const {
    return RunTool(kProgram, arguments, options);
  }
  std::string path(const std::string& name) const { return folder_ / name; }

  // The stand-in networks that need no writing: everything but appearance and video-text.
  std::string Networks() const {
    const std::string networks = path("networks");
    if (fs::exists(networks)) return networks;
    fs::create_directory(networks);
    for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
      const auto copy = [&](const char* from, const char* to) {
        fs::copy_file(
            golden.folder / from, fs::path(networks) / to, fs::copy_options::overwrite_existing);
      };
      copy("tiny_extractor.ts", "dino.ts");
      copy("tiny_extractor.ts", "clip_b32_image.ts");
      copy("tiny_flow.ts", "raft.ts");
      copy("tiny_interp.ts", "amt.ts");
      copy("tiny_quality.ts", "musiq.ts");
    }
    return networks;
  }

  // `count` prompts with two videos each, and the suite's file.
  std::string Videos(int count, int frames = 5) const {
    const std::string videos = path("videos");
    fs::create_directory(videos);
    Json info = Json::array();
    for (int i = 0; i < count; ++i) {
      const std::string prompt = "prompt " + std::to_string(i);
      info.push_back(
          {{"prompt_en", prompt}, {"dimension", {"temporal_flickering", "subject_consistency"}}});
      for (int sample = 0; sample < 2; ++sample) {
        WriteVideo(fs::path(videos) / (prompt + "-" + std::to_string(sample) + ".mp4"),
                   MakeTestVideo(96, 64, frames, static_cast<uint32_t>(2 * i + sample)));
      }
    }
    AtomicWriteFile(path("info.json"), info.dump());
    return videos;
  }
  Arguments Suite(const std::string& out, const Arguments& more = {}) const {
    Arguments arguments = {"--videos",
                           path("videos"),
                           "--full-info",
                           path("info.json"),
                           "--samples",
                           "2",
                           "--networks",
                           Networks(),
                           "--dimensions",
                           "temporal_flickering,subject_consistency",
                           "--out",
                           path(out)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  TempDir folder_;
};

TEST_F(VbenchTest, GoldenFlickeringOfFiles) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    const Json& expected = golden.json["results"]["temporal_flickering"];
    std::string list;
    for (const Json& row : expected["video_results"]) {
      list += (golden.folder / row["video_path"].get<std::string>()).string() + "\n";
    }
    AtomicWriteFile(path("list.txt"), list);
    const ProcessResult result = Run({"--videos",
                                      path("list.txt"),
                                      "--custom",
                                      "--dimensions",
                                      "temporal_flickering",
                                      "--out",
                                      path("out")});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("temporal_flickering"));
    const Json eval = Json::parse(ReadFile(path("out/vbench_eval_results.json")));
    EXPECT_NEAR(
        eval["temporal_flickering"][0].get<double>(), expected["score"].get<double>(), 1e-7);
    EXPECT_EQ(eval["temporal_flickering"][1].size(), expected["video_results"].size());
    EXPECT_FALSE(fs::exists(path("out/vbench.journal")));
  }
}

TEST_F(VbenchTest, NetworksThenTotals) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    std::string list;
    for (const Json& video : golden.json["videos"]) {
      list += (golden.folder / video.get<std::string>()).string() + "\n";
    }
    AtomicWriteFile(path("list.txt"), list);
    const ProcessResult result = Run({"--videos",
                                      path("list.txt"),
                                      "--custom",
                                      "--networks",
                                      Networks(),
                                      "--out",
                                      path("out"),
                                      "--jobs",
                                      "2"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("left out"));
    const Json eval = Json::parse(ReadFile(path("out/vbench_eval_results.json")));
    EXPECT_EQ(eval.size(), 6u);
    for (const char* dimension : {"motion_smoothness", "imaging_quality"}) {
      EXPECT_NEAR(eval[dimension][0].get<double>(),
                  golden.json["results"][dimension]["score"].get<double>(),
                  1e-4)
          << dimension;
    }
    for (const char* dimension : {"subject_consistency", "background_consistency"}) {
      EXPECT_NEAR(eval[dimension][0].get<double>(),
                  golden.json["results"][dimension]["score_frame_weighted"].get<double>(),
                  1e-4)
          << dimension;
    }
    ExpectMistake(Run({"aggregate", "--scores", path("out")}), {"all 16 dimensions", "color"});
    ExpectMistake(Run({"aggregate", "--scores", path("out"), "--partial", "--json"}),
                  {"--json: must name a file, or -"});
    const ProcessResult totals =
        Run({"aggregate", "--scores", path("out"), "--partial", "--json", "-"});
    ASSERT_EQ(totals.exit_code, 0) << totals.err;
    EXPECT_TRUE(Json::parse(totals.out)["partial"].get<bool>());
  }
}

TEST_F(VbenchTest, DetectionsNeedNoNetworks) {
  Videos(1);
  AtomicWriteFile(path("info.json"), R"([{"prompt_en": "prompt 0", "dimension": ["object_class"],
      "auxiliary_info": {"object_class": {"object": "dog"}}}])");
  AtomicWriteFile(path("seen.json"),
                  R"({"format": "teacache-detections", "version": 1, "videos": [
      {"video": "prompt 0-0.mp4", "frames": [{"objects": [{"label": "dog"}]}, {"objects": []}]},
      {"video": "prompt 0-1.mp4", "frames": [{"objects": []}, {"objects": []}]}]})");
  const Arguments arguments = {"--videos",
                               path("videos"),
                               "--full-info",
                               path("info.json"),
                               "--samples",
                               "2",
                               "--dimensions",
                               "object_class",
                               "--detections",
                               path("seen.json"),
                               "--out",
                               path("out")};
  const ProcessResult result = Run(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json eval = Json::parse(ReadFile(path("out/vbench_eval_results.json")));
  EXPECT_EQ(eval["object_class"][0], 0.25);
  EXPECT_EQ(eval["object_class"][1][0]["success_frame_count"], 1);
  EXPECT_EQ(eval["object_class"][1][0]["frame_count"], 2);
}

TEST_F(VbenchTest, MissingAndDamagedVideos) {
  Videos(2);
  fs::remove(path("videos/prompt 1-1.mp4"));
  AtomicWriteFile(path("videos/stranger.mp4"), "x");
  const ProcessResult missing = Run(Suite("missing"));
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.out, HasSubstr("Missing videos: 1\n  prompt 1-1"));
  EXPECT_THAT(missing.out, HasSubstr("Files that belong to no prompt: 1"));
  EXPECT_EQ(Run(Suite("missing", {"--allow-missing"})).exit_code, 0);
  std::string bytes = ReadFile(path("videos/prompt 1-0.mp4"));
  AtomicWriteFile(path("videos/prompt 1-0.mp4"), std::string_view(bytes).substr(0, 300));
  const ProcessResult damaged = Run(Suite("damaged", {"--allow-missing"}));
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.out, HasSubstr("Not scored: 1\n  prompt 1-0: "));
  const Json results = Json::parse(ReadFile(path("damaged/results.json")));
  EXPECT_EQ(results["dimensions"]["temporal_flickering"]["n"], 2);
  // Mended, it goes on with that video alone.
  fs::copy_file(path("videos/prompt 0-0.mp4"),
                path("videos/prompt 1-0.mp4"),
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(Run(Suite("damaged", {"--allow-missing"})).exit_code, 0);
}

TEST_F(VbenchTest, JobsAndShardsChangeNoByte) {
  Videos(3);
  ASSERT_EQ(Run(Suite("one")).exit_code, 0);
  ASSERT_EQ(Run(Suite("two", {"--jobs", "2"})).exit_code, 0);
  const auto expected = FilesIn(path("one"));
  EXPECT_EQ(expected.size(), 4u);
  EXPECT_EQ(FilesIn(path("two")), expected);
  for (const std::string shard : {"0/2", "1/2"}) {
    ASSERT_EQ(Run(Suite("shards", {"--shard", shard})).exit_code, 0);
  }
  EXPECT_EQ(FilesIn(path("shards")).size(), 2u);
  EXPECT_TRUE(fs::exists(path("shards/results.part-1-of-2.json")));
  const ProcessResult merged = Run({"--merge", path("shards"), "--out", path("merged")});
  ASSERT_EQ(merged.exit_code, 0) << merged.err;
  EXPECT_EQ(FilesIn(path("merged")), expected);
}

TEST_F(VbenchTest, KilledInTheMiddle) {
  Videos(10, /*frames=*/24);
  const std::string journal = path("killed/vbench.journal");
  const auto finished = [&] {
    const std::string text = fs::exists(journal) ? ReadFile(journal) : "";
    return std::count(text.begin(), text.end(), '\n') - 1;
  };
  ProcessOptions options;
  options.signal_when = [&] { return finished() >= 3 ? SIGKILL : 0; };
  const ProcessResult killed = Run(Suite("killed"), options);
  ASSERT_EQ(killed.signal, SIGKILL) << "ended before it could be killed";
  const auto there = ReadJournal(journal).entries.size();
  ASSERT_GE(there, 3u);
  ASSERT_LT(there, 20u);
  EXPECT_FALSE(fs::exists(path("killed/results.json")));
  // Other settings are refused, and change nothing.
  const std::string before = ReadFile(journal);
  const ProcessResult other = Run(Suite("killed", {"--batch", "3"}));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("batch was \"8\" and is \"3\""));
  EXPECT_EQ(ReadFile(journal), before);
  const ProcessResult again = Run(Suite("killed"));
  ASSERT_EQ(again.exit_code, 0) << again.err;
  ASSERT_EQ(Run(Suite("whole")).exit_code, 0);
  EXPECT_EQ(FilesIn(path("killed")), FilesIn(path("whole")));
}

TEST_F(VbenchTest, Mistakes) {
  Videos(1);
  const std::string videos = path("videos");
  ExpectMistake(Run({}), {"vbench-score: ", "--videos"});
  ExpectMistake(Run({"--videos", videos}), {"--full-info", "--custom"});
  ExpectMistake(Run({"--videos", path("absent"), "--custom"}), {"--videos", "absent"});
  ExpectMistake(Run({"--videos", videos, "--custom", "--dimensions", "colour"}),
                {"--dimensions", "temporal_flickering", "colour"});
  ExpectMistake(Run({"--videos", videos, "--custom", "--dimensions", "scene"}),
                {"scene needs Tag2Text", "--detections", "aggregate"});
  ExpectMistake(Run({"--videos", videos, "--custom", "--dimensions", "imaging_quality"}),
                {"musiq.ts", "--networks", "docs/vbench-export.md"});
  ExpectMistake(Run(Suite("out", {"--device", "tpu"})), {"--device", "tpu"});
  ExpectMistake(Run(Suite("out", {"--batch", "0"})), {"--batch", "1 to 1024"});
  ExpectMistake(Run(Suite("out", {"--shard", "2/2"})), {"--shard"});
  AtomicWriteFile(path("text.ts"), "text");
  ExpectMistake(Run(Suite("out", {"--network", "dino=" + path("text.ts")})),
                {"text.ts", "must be a TorchScript file"});
  AtomicWriteFile(path("info.json"), "[]");
  const ProcessResult empty = Run(Suite("out"));
  EXPECT_EQ(empty.exit_code, 2);
  EXPECT_THAT(empty.err, HasSubstr("info.json: must be a list of prompts"));
  EXPECT_FALSE(fs::exists(path("out/results.json")));
  ExpectMistake(Run({"aggregate", "--scores", videos}), {videos, "holds none"});
}

TEST_F(VbenchTest, DescribeTellsThePreprocessing) {
  const ProcessResult result = Run({"--describe"});
  EXPECT_EQ(result.exit_code, 0);
  for (const char* text : {"dino_float", "clip_uint8", "imaging_longer", "dino.ts", "A = -0.75"}) {
    EXPECT_THAT(result.out, HasSubstr(text));
  }
  const ProcessResult one = Run({"--describe", "--dimensions", "color"});
  EXPECT_THAT(one.out, HasSubstr("any of 12"));
  EXPECT_THAT(one.out, ::testing::Not(HasSubstr("dino_float")));
}

}  // namespace
}  // namespace teacache
