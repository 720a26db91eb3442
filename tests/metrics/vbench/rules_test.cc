#include "metrics/vbench/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/golden.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::HasSubstr;

std::array<double, 4> Box(const nlohmann::json& json) {
  return {
      json[0].get<double>(), json[1].get<double>(), json[2].get<double>(), json[3].get<double>()};
}

DetectedFrame Labels(const std::vector<std::string>& labels) {
  DetectedFrame frame;
  frame.has_objects = true;
  for (const std::string& label : labels) frame.objects.push_back({label, "", {}, false});
  return frame;
}

DetectedFrame Captioned(const std::string& label, const std::string& caption) {
  DetectedFrame frame;
  frame.has_objects = true;
  frame.objects.push_back({label, caption, {}, false});
  return frame;
}

TEST(VbenchRules, PositionScoreGolden) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    for (const nlohmann::json& c : golden.json["results"]["position_score"]) {
      EXPECT_NEAR(PositionScore(c["relation"].get<std::string>(), Box(c["box1"]), Box(c["box2"])),
                  c["score"].get<double>(),
                  1e-12)
          << c.dump();
    }
  }
}

TEST(VbenchRules, SpatialRelationshipGolden) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_scores")) {
    for (const nlohmann::json& c : golden.json["results"]["check_generate"]) {
      VideoDetections video;
      for (const nlohmann::json& prediction : c["predictions"]) {
        DetectedFrame& frame = video.frames.emplace_back();
        frame.has_objects = true;
        for (const nlohmann::json& item : prediction) {
          frame.objects.push_back({item[0].get<std::string>(), "", Box(item[1]), true});
        }
      }
      RuleQuery query;
      query.object_a = c["object_a"].get<std::string>();
      query.object_b = c["object_b"].get<std::string>();
      query.relationship = c["relation"].get<std::string>();
      const VbenchScore score = SpatialRelationshipScore(video, query);
      EXPECT_TRUE(Near(score.frames, GoldenNumbers(c["result"]), 0, 1e-12));
      EXPECT_EQ(score.weight, static_cast<int64_t>(video.frames.size()));
    }
  }
}

TEST(VbenchRules, ObjectsAreLookedUpAmongTheLabels) {
  VideoDetections video;
  video.frames = {Labels({"dog", "cat"}), Labels({"cat"}), Labels({}), Labels({"dogs", "dog"})};
  RuleQuery query;
  query.object = "dog";
  const VbenchScore one = ObjectClassScore(video, query);
  EXPECT_EQ(one.value, 0.5);
  EXPECT_EQ(one.weight, 4);
  query.object = "dog and cat";
  EXPECT_EQ(MultipleObjectsScore(video, query).value, 0.25);
  query.object = "dog";
  EXPECT_THROW(MultipleObjectsScore(video, query), UserError);
}

TEST(VbenchRules, ColorCountsFramesThatNameAColor) {
  VideoDetections video;
  video.frames = {Captioned("bicycle", "a red bicycle"),
                  Captioned("bicycle", "a blue bicycle"),
                  Captioned("bicycle", "an old bicycle"),
                  Captioned("car", "a red car")};
  RuleQuery query;
  query.object = ColorObject("a red bicycle", "red");
  query.color = "red";
  EXPECT_EQ(query.object, "bicycle");
  const VbenchScore score = ColorScore(video, query);
  EXPECT_EQ(score.value, 0.5);
  EXPECT_EQ(score.weight, 1);
  query.object = "vase";
  EXPECT_EQ(ColorScore(video, query).weight, 0);
}

TEST(VbenchRules, ColorObjectIsCutAsUpstreamCutsIt) {
  EXPECT_EQ(ColorObject("an orange umbrella", "orange"), "umbrella");
  EXPECT_EQ(ColorObject("a pizza and a tv", "white"), "pizzand tv");  // "a " within words goes too
}

TEST(VbenchRules, SceneNeedsEveryWord) {
  VideoDetections video;
  for (const char* caption : {"a train station at night", "station", "a train", "raining"}) {
    DetectedFrame& frame = video.frames.emplace_back();
    frame.caption = caption;
    frame.has_caption = true;
  }
  RuleQuery query;
  query.scene = "train station";
  EXPECT_EQ(SceneScore(video, query).value, 0.25);
  query.scene = "rain";  // a part of a word is enough
  EXPECT_EQ(SceneScore(video, query).value, 0.75);
}

TEST(VbenchRules, HumanActionIsAmongTheSureTopFive) {
  VideoDetections video;
  video.has_actions = true;
  video.actions = {{"Riding a Bike", 0.84996}, {"reading", 0.99}};  // 0.85 when rounded
  EXPECT_EQ(HumanActionScore(video, "A person is riding a bike-3.mp4").value, 1);
  video.actions[0].score = 0.8499;
  EXPECT_EQ(HumanActionScore(video, "A person is riding a bike-3.mp4").value, 0);
  video.actions = {{"a", 0.99}, {"b", 0.98}, {"c", 0.97}, {"d", 0.96}, {"e", 0.95}, {"f", 0.94}};
  EXPECT_EQ(HumanActionScore(video, "A person is f-0.mp4").value, 0);
  EXPECT_EQ(HumanActionScore(video, "A person is e-0.mp4").value, 1);
}

TEST(VbenchRules, ActionOfFileName) {
  EXPECT_EQ(ActionOfFileName("A person is riding a bike-0.mp4"), "riding a bike");
  EXPECT_EQ(ActionOfFileName("A person is air drumming_x-0.mp4"), "air drumming");
}

class DetectionsFileTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& videos) const {
    AtomicWriteFile(folder_ / name,
                    R"({"format": "teacache-detections", "version": 1, "videos": )" + videos + "}");
    return folder_ / name;
  }
  static std::string ErrorOf(const std::vector<std::string>& files) {
    try {
      ReadDetections(files);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }
  TempDir folder_;
};

TEST_F(DetectionsFileTest, SeveralFilesAreJoined) {
  const std::string objects = Write("objects.json",
                                    R"([{"video": "a dog-0.mp4", "frames": [{"objects":
        [{"label": "dog", "box": [0, 1, 2, 3], "caption": "a dog"}]}, {"objects": []}]}])");
  const std::string captions = Write("captions.json", R"([{"video": "dir/a dog-0.mp4", "frames":
        [{"caption": "x"}, {"caption": "y"}], "actions": [{"label": "z", "score": 0.5}]}])");
  const auto all = ReadDetections({objects, captions});
  ASSERT_EQ(all.size(), 1u);
  const VideoDetections& video = all.at("a dog-0");
  ASSERT_EQ(video.frames.size(), 2u);
  EXPECT_EQ(video.frames[0].objects[0].box, (std::array<double, 4>{0, 1, 2, 3}));
  EXPECT_EQ(video.frames[1].caption, "y");
  EXPECT_TRUE(video.has_actions);
  EXPECT_THAT(ErrorOf({captions, captions}),
              HasSubstr("frames[0].caption: must be in one file only"));
}

TEST_F(DetectionsFileTest, Mistakes) {
  AtomicWriteFile(folder_ / "x.json", "{}");
  EXPECT_THAT(ErrorOf({folder_ / "x.json"}), HasSubstr("must be a detections file"));
  EXPECT_THAT(ErrorOf({Write("a.json", "3")}), HasSubstr("videos: must be a list"));
  EXPECT_THAT(ErrorOf({Write("a.json", R"([{"frames": []}])")}), HasSubstr("\"video\""));
  EXPECT_THAT(ErrorOf({Write("a.json",
                             R"([{"video": "x.mp4", "frames": [{"objects": [{"label": "x",
                          "box": [2, 0, 1, 1]}]}]}])")}),
              HasSubstr("videos[0].frames[0].objects[0].box: must be"));
  EXPECT_THAT(ErrorOf({Write("a.json", R"([{"video": "x.mp4", "frames": [{}]},
                                           {"video": "x.mp4", "frames": [{}, {}]}])")}),
              HasSubstr("must have 1 frames"));
}

}  // namespace
}  // namespace teacache
