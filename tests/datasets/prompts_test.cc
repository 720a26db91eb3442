#include "datasets/prompts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ReadPromptsTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) const {
    AtomicWriteFile(folder_ / name, text);
    return folder_ / name;
  }
  std::string ErrorIn(const std::string& name, const std::string& text) const {
    const std::string path = Write(name, text);
    return ErrorOf([&] { ReadPrompts(path); });
  }
  TempDir folder_;
};

TEST_F(ReadPromptsTest, LinesWithoutBlanksAndComments) {
  EXPECT_THAT(ReadPrompts(Write("p.txt", "# two prompts\n\n  a cat \r\na dog, running\n\t\n#x\n")),
              ElementsAre("a cat", "a dog, running"));
  EXPECT_THAT(ReadPrompts(Write("q.txt", "last line without an end")),
              ElementsAre("last line without an end"));
}

TEST_F(ReadPromptsTest, JsonList) {
  EXPECT_THAT(ReadPrompts(Write("p.json", R"(["a cat", "ein \u00dcbel", "# not a comment"])")),
              ElementsAre("a cat", "ein \u00dcbel", "# not a comment"));
}

TEST_F(ReadPromptsTest, VBenchList) {
  const PromptList list = ReadPromptList(Write("VBench_full_info.json", R"([
      {"prompt_en": "a person, walking", "dimension": ["human_action"]},
      {"prompt_en": "Caf\u00e9 at night", "dimension": ["scene"], "auxiliary_info": {"scene": {}}},
      {"prompt_en": "a person, walking", "dimension": ["dynamic_degree"]}])"));
  EXPECT_THAT(list.prompts, ElementsAre("a person, walking", "Caf\u00e9 at night"));
  EXPECT_THAT(list.repeated, ElementsAre("a person, walking"));
  EXPECT_EQ(VideoStem(list.prompts[1], 4), "Caf\u00e9 at night-4");
}

// Entries as VBench_full_info.json has them, one of each shape: nothing but prompts and their order
// matters here, and every video is named as TeaCache's scripts name it.
TEST_F(ReadPromptsTest, EntriesAsVBenchPublishesThem) {
  const PromptList list = ReadPromptList(Write("VBench_full_info.json", R"([
    {"prompt_en": "In a still frame, a stop sign", "dimension": ["temporal_flickering"]},
    {"prompt_en": "A tranquil tableau of at the edge of the Arabian Desert, the ancient city of Petra beckoned with its enigmatic rock-carved fa\u00e7ades",
     "dimension": ["temporal_flickering"]},
    {"prompt_en": "a bird and a cat", "dimension": ["multiple_objects"],
     "auxiliary_info": {"multiple_objects": {"object": "bird and cat"}}},
    {"prompt_en": "a red bicycle", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}},
    {"prompt_en": "The bund Shanghai, oil painting", "dimension": ["overall_consistency", "aesthetic_quality", "imaging_quality"]},
    {"prompt_en": "The bund Shanghai, oil painting", "dimension": ["appearance_style"],
     "auxiliary_info": {"appearance_style": {"appearance_style": "oil painting"}}},
    {"prompt_en": "alley", "dimension": ["scene", "background_consistency"],
     "auxiliary_info": {"scene": {"scene": {"scene": "alley"}}}},
    {"prompt_en": "a bicycle on the left of a car, front view", "dimension": ["spatial_relationship"],
     "auxiliary_info": {"spatial_relationship": {"spatial_relationship":
       {"object_a": "bicycle", "object_b": "car", "relationship": "on the left of"}}}}])"));
  EXPECT_THAT(
      list.prompts,
      ElementsAre("In a still frame, a stop sign",
                  "A tranquil tableau of at the edge of the Arabian Desert, the ancient city "
                  "of Petra beckoned with its enigmatic rock-carved fa\u00e7ades",
                  "a bird and a cat",
                  "a red bicycle",
                  "The bund Shanghai, oil painting",
                  "alley",
                  "a bicycle on the left of a car, front view"));
  EXPECT_THAT(list.repeated, ElementsAre("The bund Shanghai, oil painting"));
  for (const std::string& prompt : list.prompts) EXPECT_EQ(VideoStem(prompt, 3), prompt + "-3");
  EXPECT_EQ(VideoStem(std::string(210, 'x'), 4), std::string(210, 'x') + "-4")
      << "as long as VBench's longest";
}

TEST_F(ReadPromptsTest, AByteOrderMarkIsNoPartOfThePrompt) {
  AtomicWriteFile(folder_ / "p.txt",
                  "\xEF\xBB\xBF"
                  "a cat\r\na dog\r\n");
  EXPECT_THAT(ReadPrompts(folder_ / "p.txt"), ElementsAre("a cat", "a dog"));
  AtomicWriteFile(folder_ / "p.json",
                  "\xEF\xBB\xBF"
                  R"(["a cat"])");
  EXPECT_THAT(ReadPrompts(folder_ / "p.json"), ElementsAre("a cat"));
}

TEST_F(ReadPromptsTest, TextThatIsNotUtf8) {
  EXPECT_THAT(ErrorIn("p.txt", "a cat\na \xff dog\n"),
              AllOf(HasSubstr("p.txt"), HasSubstr("line 2"), HasSubstr("UTF-8")));
}

TEST_F(ReadPromptsTest, APromptTwiceNamesBothPlaces) {
  EXPECT_THAT(ErrorIn("p.txt", "a\nb\n\na \n"),
              AllOf(HasSubstr("p.txt"), HasSubstr("\"a\""), HasSubstr("lines 1 and 4")));
  EXPECT_THAT(ErrorIn("p.json", R"(["a", "b", "b"])"),
              AllOf(HasSubstr("p.json"), HasSubstr("\"b\""), HasSubstr("2 and 3")));
}

TEST_F(ReadPromptsTest, WhatIsNoListOfPrompts) {
  EXPECT_THAT(ErrorIn("p.txt", "# nothing\n\n"), HasSubstr("at least one prompt"));
  EXPECT_THAT(ErrorIn("p.json", "[]"), HasSubstr("at least one prompt"));
  for (const char* text : {"[1]", "{}", "[\"a\"", "", "[\"a\", null]"}) {
    EXPECT_THAT(ErrorIn("p.json", text), HasSubstr("p.json:1:")) << text;
  }
  EXPECT_THAT(ErrorOf([&] { ReadPrompts(folder_ / "absent.txt"); }), HasSubstr("absent.txt"));
}

TEST(CheckDistinct, FirstRepetition) {
  EXPECT_NO_THROW(CheckDistinct({"a", "b", "A", "a "}, "prompts"));
  EXPECT_THAT(ErrorOf([] {
                CheckDistinct({"a", "b", "c", "b", "a"}, "prompts");
              }),
              AllOf(StartsWith("prompts"), HasSubstr("\"b\""), HasSubstr("2 and 4")));
}

TEST(ParseSeeds, RangesAndLists) {
  EXPECT_THAT(ParseSeeds("3"), ElementsAre(3));
  EXPECT_THAT(ParseSeeds("0-4"), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(ParseSeeds("7,0,2-3"), ElementsAre(7, 0, 2, 3));
  EXPECT_THAT(ParseSeeds("5-5"), ElementsAre(5));
  EXPECT_EQ(ParseSeeds("0-99999").size(), 100000u);
}

TEST(ParseSeeds, WhatIsNoSeed) {
  for (const char* text : {"",
                           ",",
                           "a",
                           "-1",
                           "1-",
                           "-",
                           "1,,2",
                           "1.5",
                           "0x3",
                           " 1",
                           "1 ",
                           "1-2-3",
                           "99999999999999999999",
                           "4-2",
                           "0-100000",
                           "1,1",
                           "0-3,2"}) {
    EXPECT_THAT(ErrorOf([&] { ParseSeeds(text); }), StartsWith("--seeds")) << text;
  }
}

TEST(VideoStem, AsTeaCachesScriptsWriteIt) {
  EXPECT_EQ(VideoStem("a cat, running", 7), "a cat, running-7");
  EXPECT_EQ(VideoStem("\u732b", 0), "\u732b-0");
  EXPECT_EQ(VideoStem(std::string(230, 'x'), 0), std::string(230, 'x') + "-0");
}

// The beginning stays readable, the digest tells prompts with the same beginning apart.
TEST(VideoStem, LongNamesAreShortened) {
  const std::string longer(231, 'x');
  const std::string stem = VideoStem(longer, 12);
  EXPECT_THAT(stem, AllOf(StartsWith("xxxx"), EndsWith("-12"), HasSubstr("~")));
  EXPECT_LE(stem.size(), 240u);
  EXPECT_NE(VideoStem(longer + "a", 12), VideoStem(longer + "b", 12));
  EXPECT_EQ(VideoStem(longer, 12), stem);
}

TEST(VideoStem, SlashesDotsAndNulAreReplaced) {
  for (const std::string& prompt : {std::string("either/or"),
                                    std::string("../../etc/passwd"),
                                    std::string(".hidden"),
                                    std::string("a\0b", 3)}) {
    const std::string stem = VideoStem(prompt, 1);
    EXPECT_THAT(stem, AllOf(Not(HasSubstr("/")), Not(StartsWith(".")), HasSubstr("~")));
    EXPECT_EQ(stem.find('\0'), std::string::npos);
    EXPECT_EQ(std::filesystem::path(stem).filename().string(), stem);
  }
  EXPECT_NE(VideoStem("a/b", 1), VideoStem("a_b", 1));
}

bool IsUtf8(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : 4;
    if (lead >= 0x80 && lead < 0xC2) return false;
    for (size_t k = 1; k < length; ++k) {
      if (i + k >= text.size() || (static_cast<unsigned char>(text[i + k]) >> 6) != 2) return false;
    }
    i += length;
  }
  return true;
}

TEST(VideoStem, NeverCutsACharacter) {
  for (const std::string& character :
       {std::string("\u00e4"), std::string("\u732b"), std::string("\U0001F600")}) {
    for (int lead = 0; lead < 5; ++lead) {
      std::string prompt(lead, 'x');
      while (prompt.size() <= 300) prompt += character;
      const std::string stem = VideoStem(prompt, 3);
      EXPECT_TRUE(IsUtf8(stem)) << stem;
      EXPECT_GT(stem.size(), 200u);
    }
  }
}

// With a large seed, an extension and the name of the unfinished file.
TEST(VideoStem, FitsAFileSystem) {
  const TempDir folder;
  for (const size_t length : {1, 200, 229, 230, 231, 5000}) {
    for (const int64_t seed : {int64_t{0}, INT64_MAX}) {
      const std::string stem = VideoStem(std::string(length, 'p'), seed);
      EXPECT_NO_THROW(AtomicWriteFile(folder / (stem + ".mp4"), "x")) << length << " " << seed;
    }
  }
}

}  // namespace
}  // namespace teacache
