#include "metrics/vbench/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

VbenchVideoScore Row(const std::string& name, double flicker, double subject, int64_t pairs) {
  VbenchVideoScore video;
  video.name = name;
  video.prompt = name.substr(0, name.size() - 2);
  video.dimensions = {"subject_consistency", "temporal_flickering"};
  video.frames = pairs + 1;
  video.info.path = "dir/" + name + ".mp4";
  video.scores["temporal_flickering"] = {flicker, pairs, {}};
  video.scores["subject_consistency"] = {subject, pairs, {}};
  return video;
}

VbenchResults TwoVideos() {
  VbenchResults results;
  results.context = {{"device", "cpu"}};
  results.videos = {Row("a-0", 0.9, 0.5, 1), Row("b-0", 0.8, 1.0, 3)};
  SummarizeVbench({}, &results);
  return results;
}

TEST(VbenchResults, MeansOverVideosOrFrames) {
  const VbenchResults results = TwoVideos();
  EXPECT_DOUBLE_EQ(results.summary.at("temporal_flickering").score, 0.85);
  EXPECT_DOUBLE_EQ(results.summary.at("subject_consistency").score, (0.5 + 3.0) / 4);
  EXPECT_DOUBLE_EQ(results.summary.at("subject_consistency").videos.mean, 0.75);
  EXPECT_LT(results.summary.at("subject_consistency").videos.ci95->lo, 0.75);
}

TEST(VbenchResults, VideosThatDoNotCountAreLeftOut) {
  VbenchResults results = TwoVideos();
  results.videos[0].scores["color"] = {0.25, 1, {}};
  results.videos[1].scores["color"] = {0, 0, {}};
  results.videos[0].scores["imaging_quality"] = {60, 2, {}};
  SummarizeVbench({}, &results);
  EXPECT_DOUBLE_EQ(results.summary.at("color").score, 0.25);
  EXPECT_EQ(results.summary.at("color").videos.n, 1);
  EXPECT_DOUBLE_EQ(results.summary.at("imaging_quality").score, 0.6);
  const Json eval = Json::parse(VbenchEvalResults(results));
  EXPECT_EQ(eval["color"][1].size(), 1u);
  EXPECT_EQ(eval["imaging_quality"][1][0]["video_results"], 60);  // not on the score's scale
}

TEST(VbenchResults, UpstreamsFiles) {
  VbenchResults results = TwoVideos();
  results.videos[0].scores["dynamic_degree"] = {1, 2, {}};
  results.videos[0].scores["background_consistency"] = {0.5, 4, {}};
  SummarizeVbench({}, &results);
  const Json eval = Json::parse(VbenchEvalResults(results));
  EXPECT_EQ(eval["temporal_flickering"][0], results.summary.at("temporal_flickering").score);
  EXPECT_EQ(eval["temporal_flickering"][1][1],
            (Json{{"video_path", "dir/b-0.mp4"}, {"video_results", 0.8}}));
  EXPECT_EQ(eval["dynamic_degree"][1][0]["video_results"], true);
  EXPECT_EQ(eval["background_consistency"][1][0]["video_sim"], 2.0);
  EXPECT_EQ(eval["background_consistency"][1][0]["cnt_per_video"], 4);
  const Json info = Json::parse(VbenchFullInfo(results));
  ASSERT_EQ(info.size(), 2u);
  EXPECT_EQ(info[0]["prompt_en"], "a");
  EXPECT_EQ(info[0]["video_list"], Json({"dir/a-0.mp4"}));
}

TEST(VbenchResults, FileIsReadBack) {
  VbenchResults results = TwoVideos();
  results.videos[0].auxiliary = R"({"color":{"color":"red"}})";
  results.videos[0].errors["color"] = "no detections";
  results.missing = {"c-0"};
  const TempDir folder;
  AtomicWriteFile(folder / "r.json", VbenchResultsToJson(results));
  VbenchResults read = ReadVbenchResults(folder / "r.json");
  EXPECT_EQ(read.NumErrors(), 1);
  SummarizeVbench({}, &read);
  EXPECT_EQ(VbenchResultsToJson(read), VbenchResultsToJson(results));
  EXPECT_THAT(VbenchCsv(read), HasSubstr("a-0,a,0.5,0.9,"));
  EXPECT_THAT(VbenchCsv(read), HasSubstr("color: no detections"));
  EXPECT_THAT(VbenchText(read), HasSubstr("Missing videos: 1"));
  AtomicWriteFile(folder / "r.json", R"({"format": "teacache-results"})");
  EXPECT_THROW(ReadVbenchResults(folder / "r.json"), UserError);
}

TEST(VbenchResults, APartSaysThatItIsAPart) {
  std::vector<VbenchResults> shards(2);
  shards[0].context = {{"shard", "0/3"}};
  shards[0].videos = {Row("a-0", 0.9, 0.5, 1)};
  shards[1].context = {{"shard", "1/3"}};
  shards[1].videos = {Row("b-0", 0.9, 0.5, 1)};
  EXPECT_THROW(MergeVbench(shards, {}), UserError);
  const VbenchResults merged = MergeVbench(shards, {}, /*allow_missing_parts=*/true);
  EXPECT_THAT(VbenchResultsToJson(merged), HasSubstr(R"("missing_parts": "2/3")"));
  EXPECT_THAT(VbenchText(merged), testing::StartsWith("PARTIAL RESULT: parts 2/3 are missing\n"));
  EXPECT_THAT(VbenchCsv(merged), HasSubstr(",missing_parts\n"));
  EXPECT_THAT(VbenchCsv(merged), HasSubstr(",2/3\n"));
  shards[1].context["shard"] = "1/2";
  EXPECT_THROW(MergeVbench(shards, {}, true), UserError);
}

TEST(VbenchResults, ShardsAreTakenInTurn) {
  std::vector<VbenchResults> shards(2);
  shards[1].context = {{"device", "cpu"}, {"shard", "0/2"}};
  shards[1].videos = {Row("a-0", 0.9, 0.5, 1), Row("c-0", 0.7, 0.5, 1)};
  shards[0].context = {{"device", "cpu"}, {"shard", "1/2"}};
  shards[0].videos = {Row("b-0", 0.8, 1.0, 3)};
  const VbenchResults merged = MergeVbench(shards, {});
  std::vector<std::string> names;
  for (const auto& video : merged.videos) names.push_back(video.name);
  EXPECT_THAT(names, ElementsAre("a-0", "b-0", "c-0"));
  EXPECT_FALSE(merged.context.contains("shard"));
  shards[0].context["device"] = "cuda";
  EXPECT_THROW(MergeVbench(shards, {}), UserError);
  shards[0].context["device"] = "cpu";
  shards[0].videos = {Row("a-0", 0.8, 1.0, 3)};
  EXPECT_THROW(MergeVbench(shards, {}), UserError);
}

}  // namespace
}  // namespace teacache
