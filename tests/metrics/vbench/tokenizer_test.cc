#include "metrics/vbench/networks/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Ids: bytes 0 to 255 in CLIP's order ('!' = 0, 'a' = 64), the same at the end of a word from 256,
// then these from 512.
constexpr const char* kMerges =
    "#version: small\n"
    "c a\n"       // 512
    "ca t</w>\n"  // 513
    "a t</w>\n"   // 514
    "t h\n"       // 515
    "th e</w>\n"  // 516
    "! !</w>\n";  // 517
constexpr int64_t kStart = 518, kEnd = 519;
constexpr int64_t Byte(char c) { return c - '!'; }
constexpr int64_t Last(char c) { return 256 + c - '!'; }

ClipTokenizer Small() { return ClipTokenizer(kMerges, "merges"); }

TEST(ClipTokenizer, MergesByRank) {
  const ClipTokenizer tokenizer = Small();
  EXPECT_EQ(tokenizer.start_token(), kStart);
  EXPECT_EQ(tokenizer.end_token(), kEnd);
  EXPECT_THAT(tokenizer.Encode("cat"), ElementsAre(513));
  EXPECT_THAT(tokenizer.Encode("at the cat"), ElementsAre(514, 516, 513));
  EXPECT_THAT(tokenizer.Encode("ca"), ElementsAre(Byte('c'), Last('a')));
  EXPECT_THAT(tokenizer.Encode("caca"), ElementsAre(512, Byte('c'), Last('a')));
}

TEST(ClipTokenizer, CaseAndSpacesDoNotMatter) {
  const ClipTokenizer tokenizer = Small();
  EXPECT_EQ(tokenizer.Encode("  The\t\nCAT "), tokenizer.Encode("the cat"));
  EXPECT_EQ(tokenizer.Encode("the&amp;amp;cat"), tokenizer.Encode("the & cat"));
  EXPECT_EQ(tokenizer.Encode("cat\xe2\x80\x99s"), tokenizer.Encode("cat's"));
}

TEST(ClipTokenizer, WordsDigitsSignsAndEndingsAreApart) {
  const ClipTokenizer tokenizer = Small();
  EXPECT_THAT(tokenizer.Encode("cat12"), ElementsAre(513, Last('1'), Last('2')));
  EXPECT_THAT(tokenizer.Encode("cat!!"), ElementsAre(513, 517));
  EXPECT_THAT(tokenizer.Encode("cat's"), ElementsAre(513, Byte('\''), Last('s')));
  EXPECT_THAT(tokenizer.Encode("'x"), ElementsAre(Last('\''), Last('x')));
  EXPECT_THAT(tokenizer.Encode("cat<|endoftext|>cat"), ElementsAre(513, kEnd, 513));
}

// UTF-8 bytes beyond ASCII: "\xc3\xa7" is c-cedilla; capital letters become small.
TEST(ClipTokenizer, OtherLetters) {
  const ClipTokenizer tokenizer = Small();
  const std::vector<int64_t> ids = tokenizer.Encode(
      "fa\xc3\xa7"
      "ade");
  EXPECT_EQ(ids.size(), 7u);
  EXPECT_EQ(tokenizer.Encode("FA\xc3\x87"
                             "ADE"),
            ids);
  EXPECT_EQ(tokenizer.Encode("\xe9").size(), 2u);  // no UTF-8: taken as Latin-1
}

TEST(ClipTokenizer, StartEndAndLength) {
  const ClipTokenizer tokenizer = Small();
  EXPECT_THAT(tokenizer.Tokenize("the cat", 6, false), ElementsAre(kStart, 516, 513, kEnd, 0, 0));
  EXPECT_THAT(tokenizer.Tokenize("the cat", 4, false), ElementsAre(kStart, 516, 513, kEnd));
  EXPECT_THAT(tokenizer.Tokenize("the cat at", 4, true), ElementsAre(kStart, 516, 513, kEnd));
  EXPECT_THROW(tokenizer.Tokenize("the cat at", 4, false), UserError);
}

std::string ErrorOf(const std::string& text) {
  const TempDir folder;
  AtomicWriteFile(folder / "m.txt", text);
  try {
    ClipTokenizer::Open(folder / "m.txt");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ClipTokenizer, Mistakes) {
  EXPECT_EQ(ErrorOf(kMerges), "no error");
  EXPECT_THAT(ErrorOf("\x1f\x8b\x08rest"), HasSubstr("must be unpacked (gunzip)"));
  EXPECT_THAT(ErrorOf("only one line"), HasSubstr("holds none"));
  EXPECT_THAT(ErrorOf("x\na b\nab\n"), HasSubstr("line 3 must be two symbols"));
  EXPECT_THAT(ErrorOf("x\na b\na b c\n"), HasSubstr("line 3"));
  EXPECT_THAT(ErrorOf("x\na b\na b\n"), HasSubstr("\"ab\" appears twice"));
}

}  // namespace
}  // namespace teacache
