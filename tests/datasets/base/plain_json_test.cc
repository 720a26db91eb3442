#include "datasets/base/plain_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "datasets/base/error.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

using nlohmann::json;

// Where the quick reader reads, it must read what the general one does, to the type of each number.
void ExpectSame(const std::string& text) {
  json quick;
  if (!ParsePlainJson(text, &quick)) return;
  const json general = json::parse(text, nullptr, false);
  ASSERT_FALSE(general.is_discarded()) << text;
  EXPECT_EQ(quick, general) << text;
  EXPECT_EQ(quick.dump(), general.dump()) << text;
}

TEST(PlainJson, ReadsWhatProgramsWrite) {
  for (const char* text : {"[]",
                           "{}",
                           " [1, -2, 0, -0, 18446744073709551615, -9223372036854775808] ",
                           "[0.1, -1.5e-7, 1E+3, 1e5, -0.0, 123456789.123456789]",
                           R"({"a": {"b": [true, false, null]}, "c": "text", "c": "twice"})",
                           R"(["é ü 猫", "tab\t", "\u00e9", "\"", "a\\"])",
                           "\n\t\"alone\"\r\n",
                           "3"}) {
    json quick;
    EXPECT_TRUE(ParsePlainJson(text, &quick)) << text;
    ExpectSame(text);
  }
}

TEST(PlainJson, GivesUpOnWhatIsNoJson) {
  for (const char* text :
       {"",     " ",          "[1,]",      "[1 2]",    "[01]", "[1.]",    "[.5]",       "[+1]",
        "[1e]", "[1e999]",    "[NaN]",     "[inf]",    "[-]",  "{\"a\"}", "{\"a\":1,}", "{a:1}",
        "[1]]", "[\"\xff\"]", "[\"\\x\"]", "[\"\n\"]", "[\"",  "tru",     "[\"\\"}) {
    json quick;
    EXPECT_FALSE(ParsePlainJson(text, &quick)) << text;
  }
  json quick;
  EXPECT_FALSE(ParsePlainJson(std::string(1000, '['), &quick));
}

std::string Nested(int depth, const std::string& inside = "") {
  return std::string(depth, '[') + inside + std::string(depth, ']');
}

TEST(ParseJson, DepthIsLimited) {
  // "\\u00e9" makes the quick reader give up, so that both readers are asked.
  for (const char* inside : {"1", "\"\\u00e9\"", "\"[[[[[[{{{\""}) {
    EXPECT_NO_THROW(ParseJson(Nested(kMaxJsonDepth, inside), "x")) << inside;
    EXPECT_FALSE(TryParseJson(Nested(kMaxJsonDepth, inside)).is_discarded()) << inside;
    for (const int depth : {kMaxJsonDepth + 1, 200000}) {
      const std::string text = Nested(depth, inside);
      EXPECT_TRUE(TryParseJson(text).is_discarded()) << depth;
      EXPECT_THAT([&] { ParseJson(text, "x"); },
                  testing::ThrowsMessage<UserError>("x: must be JSON of at most 64 levels but is "
                                                    "deeper"));
    }
  }
  std::string objects;
  for (int i = 0; i <= kMaxJsonDepth; ++i) objects += "{\"a\":";
  EXPECT_THROW(ParseJson(objects + "1" + std::string(kMaxJsonDepth + 1, '}'), "x"), UserError);
  EXPECT_THROW(ParseJson(std::string(200000, '['), "x"), UserError);
}

TEST(ParseJson, MessagesAreShort) {
  const std::string long_text(100000, 'a');
  const auto message = [](const auto& call) {
    try {
      call();
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  for (const json& value : {json(long_text), json(std::vector<int>(10000)), json("a\nb\x1b\xff")}) {
    EXPECT_LE(ShownJson(value).size(), 60u);
    const std::string said = message([&] {
      JsonFields(json{{"number", value}}, "x").Number("number");
    });
    EXPECT_LE(said.size(), 120u);
    EXPECT_GT(said.size(), 20u);
    EXPECT_EQ(said.find_first_of("\n\x1b\xff"), std::string::npos);
  }
  EXPECT_LE(ShownText(long_text).size(), 60u);
  EXPECT_EQ(ShownText("a\nb"), R"("a\nb")");
  EXPECT_LE(message([&] { ParseJson("[\"" + long_text, "x"); }).size(), 250u);
}

TEST(PlainJson, AgreesOnDamagedTexts) {
  const std::string good =
      R"({"x": [0.1, -2e-3, 7, 0], "s": "a\"b", "o": {"k": null, "t": true}, "n": [[1, 2.5], []]})";
  const std::string pieces = "0123456789.eE+-\"\\{}[]:,tfn \n\xc3\xa9";
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    std::string text = good;
    const int edits = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < edits; ++i) {
      const size_t at = random() % text.size();
      if (random() % 2 == 0) {
        text[at] = pieces[random() % pieces.size()];
      } else {
        text.erase(at, 1 + random() % 3);
      }
      if (text.empty()) text = " ";
    }
    ExpectSame(text);
  }
}

}  // namespace
}  // namespace teacache
