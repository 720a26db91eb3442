#include "datasets/base/plain_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

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
