#include "metrics/vbench/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/prompts.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class VbenchSuiteTest : public ::testing::Test {
 protected:
  Suite Read(const std::string& text) const {
    AtomicWriteFile(folder_ / "info.json", text);
    return ReadSuite(folder_ / "info.json");
  }
  std::string ErrorOf(const std::string& text) const {
    try {
      Read(text);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }
  TempDir folder_;
};

std::vector<NamedVideo> Videos(const std::vector<std::string>& names) {
  std::vector<NamedVideo> videos;
  for (const std::string& name : names) videos.push_back({name, "dir/" + name + ".mp4"});
  return videos;
}

std::vector<std::string> Names(const SuitePairing& pairing) {
  std::vector<std::string> names;
  for (const SuiteVideo& video : pairing.videos) names.push_back(video.name);
  return names;
}

constexpr const char* kInfo = R"([
  {"prompt_en": "a dog", "dimension": ["object_class"],
   "auxiliary_info": {"object_class": {"object": "dog"}}},
  {"prompt_en": "the bund", "dimension": ["overall_consistency", "aesthetic_quality"]},
  {"prompt_en": "the bund", "dimension": ["appearance_style"],
   "auxiliary_info": {"appearance_style": {"appearance_style": "oil painting"}}},
  {"prompt_en": "still", "dimension": ["temporal_flickering"]}])";

TEST_F(VbenchSuiteTest, EntriesOfOnePromptAreJoined) {
  const Suite suite = Read(kInfo);
  ASSERT_EQ(suite.prompts.size(), 3u);
  EXPECT_EQ(suite.prompts[1].dimensions.size(), 3u);
  EXPECT_THAT(suite.prompts[1].auxiliary, HasSubstr("oil painting"));
  EXPECT_THAT(suite.warnings, ElementsAre(HasSubstr("\"the bund\" occurs more than once")));
}

TEST_F(VbenchSuiteTest, PairsByPromptAndNumber) {
  const Suite suite = Read(kInfo);
  const SuitePairing pairing = PairSuite(
      suite,
      Videos({"still-1", "still-0", "still-7", "the bund-0", "a dog-0", "a cat-0", "still"}),
      ParseVbenchDimensions("temporal_flickering,aesthetic_quality"),
      /*samples=*/2);
  EXPECT_THAT(Names(pairing), ElementsAre("the bund-0", "still-0", "still-1"));
  EXPECT_THAT(pairing.missing, ElementsAre("the bund-1"));
  // Videos of the suite's other prompts are none of our business.
  EXPECT_THAT(pairing.extra, ElementsAre("dir/still-7.mp4", "dir/a cat-0.mp4", "dir/still.mp4"));
  ASSERT_EQ(pairing.videos[0].dimensions.size(), 1u);
  EXPECT_EQ(pairing.videos[0].dimensions[0]->name, "aesthetic_quality");
}

TEST_F(VbenchSuiteTest, PromptsThatNoFileSystemHolds) {
  const std::string prompt = std::string(300, 'x') + "/y";
  const Suite suite =
      Read(R"([{"prompt_en": ")" + prompt + R"(", "dimension": ["temporal_flickering"]}])");
  const SuitePairing pairing = PairSuite(
      suite, Videos({VideoStem(prompt, 0)}), ParseVbenchDimensions("temporal_flickering"), 1);
  EXPECT_EQ(pairing.videos.size(), 1u);
  EXPECT_EQ(pairing.videos[0].prompt, prompt);
}

TEST_F(VbenchSuiteTest, Mistakes) {
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("must be a list of prompts"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("must be a list of prompts"));
  EXPECT_THAT(ErrorOf(R"([{"dimension": ["color"]}])"), HasSubstr("info.json:1:2: [0]: must have"));
  EXPECT_THAT(ErrorOf(R"([{"prompt_en": "x", "dimension": []}])"),
              HasSubstr("[0].dimension: must"));
  EXPECT_THAT(ErrorOf(R"([{"prompt_en": "x", "dimension": ["colour"]}])"), HasSubstr("\"colour\""));
}

TEST(VbenchCustom, PromptsComeFromNamesOrTheFile) {
  const auto dimensions = ParseVbenchDimensions("temporal_flickering,overall_consistency");
  SuitePairing pairing = PairCustom(Videos({"a cat-12", "dog", "x-y"}), dimensions);
  ASSERT_EQ(pairing.videos.size(), 3u);
  EXPECT_EQ(pairing.videos[0].prompt, "a cat");
  EXPECT_EQ(pairing.videos[1].prompt, "dog");
  EXPECT_EQ(pairing.videos[2].prompt, "x-y");
  EXPECT_EQ(pairing.videos[0].dimensions.size(), 2u);
  pairing = PairCustom(Videos({"a-0", "b"}), dimensions, {{"a-0.mp4", "one"}, {"b", "two"}});
  EXPECT_EQ(pairing.videos[0].prompt, "one");
  EXPECT_EQ(pairing.videos[1].prompt, "two");
  EXPECT_THROW(PairCustom(Videos({"c"}), dimensions, {{"a-0.mp4", "one"}}), UserError);
  EXPECT_THROW(PairCustom(Videos({"c"}), ParseVbenchDimensions("color")), UserError);
}

TEST(VbenchDimensionList, MistakesListTheNames) {
  EXPECT_EQ(ParseVbenchDimensions("color,subject_consistency,color").size(), 2u);
  EXPECT_EQ(ParseVbenchDimensions("color,subject_consistency")[0]->name, "subject_consistency");
  try {
    ParseVbenchDimensions("colour");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("temporal_flickering"));
    EXPECT_THAT(error.what(), HasSubstr("\"colour\""));
  }
}

}  // namespace
}  // namespace teacache
