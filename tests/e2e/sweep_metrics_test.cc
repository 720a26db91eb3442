// The metrics of a report are those of eval-metrics and vbench-score run by hand on its folders.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "tests/e2e/programs.h"
#include "tests/support/golden.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

using Arguments = std::vector<std::string>;

// The metrics of single videos in a report.
std::vector<std::string> NamesOfVbench(const json& report) {
  std::vector<std::string> names;
  for (const json& metric : report["metrics"]) {
    if (!metric["needs_reference"]) names.push_back(metric["name"]);
  }
  return names;
}

class SweepMetrics : public ProgramTest {
 protected:
  ProcessResult Sweep(const Arguments& more = {}) const {
    Arguments arguments = {"--weights", Weights(), "--steps", "12", "--out", folder_ / "sweep"};
    for (const char* word : {"--fit-count",
                             "2",
                             "--count",
                             "3",
                             "--degree",
                             "1",
                             "--timed-runs",
                             "1",
                             "--thresholds",
                             "1",
                             "--baselines",
                             "uniform"}) {
      arguments.emplace_back(word);
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunTool("sweep-report", arguments);
  }
  json Report(const std::string& out = "sweep") const {
    return json::parse(ReadFile(folder_ / (out + "/report.json")));
  }
  // The stand-in networks of the golden case.
  std::string Networks() const {
    const std::string networks = folder_ / "networks";
    fs::create_directory(networks);
    for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
      const auto options = fs::copy_options::overwrite_existing;
      fs::copy_file(golden.folder / "tiny_extractor.ts", networks + "/dino.ts", options);
      fs::copy_file(golden.folder / "tiny_quality.ts", networks + "/musiq.ts", options);
    }
    return networks;
  }

  // Every dimension of every row is what vbench-score says of the row's folder. `videos` is where
  // the settings' folders are.
  void ExpectVbench(const json& report,
                    const std::string& videos,
                    const Arguments& more,
                    size_t dimensions) const {
    const std::vector<std::string> names = NamesOfVbench(report);
    ASSERT_EQ(names.size(), dimensions);
    for (const json& row : report["rows"]) {
      const std::string id = row["id"];
      const std::string out = folder_ / ("scores-" + id);
      Arguments arguments = {"--videos", videos + "/" + id, "--custom", "--out", out};
      arguments.insert(arguments.end(), more.begin(), more.end());
      const ProcessResult scored = RunTool("vbench-score", arguments);
      ASSERT_EQ(scored.exit_code, 0) << scored.err;
      const json results = json::parse(ReadFile(out + "/results.json"));
      for (const std::string& name : names) {
        const json& pooled = row["scores"].at(name);
        const json& byhand = results["dimensions"].at(name);
        EXPECT_EQ(pooled["mean"], byhand["mean"]) << id << name;
        EXPECT_EQ(pooled["median"], byhand["median"]) << id << name;
        EXPECT_EQ(pooled["ci95"]["lo"], byhand["ci95"][0]) << id << name;
        EXPECT_EQ(pooled["ci95"]["hi"], byhand["ci95"][1]) << id << name;
      }
    }
  }
};

TEST_F(SweepMetrics, VbenchWithoutNetworksIsThere) {
  const ProcessResult result = Sweep();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = Report();
  EXPECT_EQ(NamesOfVbench(report), std::vector<std::string>{"temporal_flickering"});
  ExpectVbench(
      report, folder_ / "sweep/videos", {"--dimensions", "temporal_flickering"}, /*dimensions=*/1);
  EXPECT_THAT(ReadFile(folder_ / "sweep/report.csv"), HasSubstr("temporal_flickering"));
  EXPECT_THAT(ReadFile(folder_ / "sweep/videos.csv"), HasSubstr("temporal_flickering"));
  EXPECT_THAT(ReadFile(folder_ / "sweep/report.md"), HasSubstr("| temporal flickering ↑ |"));
  EXPECT_THAT(ReadFile(folder_ / "sweep/report.html"), HasSubstr("temporal flickering"));

  // The same of folders from elsewhere.
  const ProcessResult render =
      RunTool("sweep-report", {"render", folder_ / "sweep/videos", "--out", folder_ / "render"});
  ASSERT_EQ(render.exit_code, 0) << render.err;
  ExpectVbench(
      Report("render"), folder_ / "sweep/videos", {"--dimensions", "temporal_flickering"}, 1);

  ASSERT_EQ(Sweep({"--vbench", "none"}).exit_code, 0);
  EXPECT_TRUE(NamesOfVbench(Report()).empty());
}

TEST_F(SweepMetrics, VbenchWithNetworksWhereTheyAre) {
  const std::string networks = Networks();
  const ProcessResult result = Sweep({"--vbench-networks", networks});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  ExpectVbench(Report(), folder_ / "sweep/videos", {"--networks", networks}, /*dimensions=*/3);
  const ProcessResult missing = Sweep({"--vbench", "motion_smoothness"});
  ExpectMistake(missing, {"--vbench: ", "amt.ts"});
  ExpectMistake(Sweep({"--vbench", "luck"}), {"luck", "temporal_flickering"});
}

// With the published weights of SqueezeNet.
TEST_F(SweepMetrics, LpipsIsThatOfEvalMetrics) {
  const auto weights = SharedGoldenFile("lpips/squeeze.backbone.pth");
  if (!weights) GTEST_SKIP() << "no LPIPS weights in TEACACHE_SHARED_GOLDEN_DIR";
  const Arguments lpips = {
      "--lpips-net", "squeeze", "--lpips-weights", weights->parent_path().string()};
  const ProcessResult result = Sweep(lpips);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = Report();
  bool some = false;
  for (const json& row : report["rows"]) {
    const std::string id = row["id"];
    if (id == "none") {
      EXPECT_FALSE(row["scores"].contains("lpips"));
      continue;
    }
    Arguments byhand = {"--gt", folder_ / "sweep/videos/none"};
    for (const std::string& word : {std::string("--gen"),
                                    folder_ / ("sweep/videos/" + id),
                                    std::string("--out"),
                                    folder_ / (id + ".json")}) {
      byhand.push_back(word);
    }
    for (const std::string& word : lpips) {
      byhand.push_back(word == "--lpips-weights" ? "--weights" : word);
    }
    const ProcessResult scored = RunTool("eval-metrics", byhand);
    ASSERT_EQ(scored.exit_code, 0) << scored.err;
    const json summary = json::parse(ReadFile(folder_ / (id + ".json"))).at("summary").at("lpips");
    EXPECT_EQ(row["scores"]["lpips"]["mean"], summary["mean"]) << id;
    EXPECT_EQ(row["scores"]["lpips"]["median"], summary["median"]) << id;
    EXPECT_EQ(row["scores"]["lpips"]["ci95"]["lo"], summary["ci95"][0]) << id;
    some |= row["scores"]["lpips"]["mean"] > 0;
  }
  EXPECT_TRUE(some);
  for (const json& warning : report["context"]["warnings"]) {
    EXPECT_THAT(std::string(warning), ::testing::Not(HasSubstr("LPIPS was left out")));
  }
  EXPECT_TRUE(report["comparisons"][0]["differences"].contains("lpips"));
  EXPECT_THAT(ReadFile(folder_ / "sweep/report.html"), HasSubstr("LPIPS"));
}

}  // namespace
}  // namespace teacache
