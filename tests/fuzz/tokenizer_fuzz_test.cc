// spiece.model comes from elsewhere: a damaged one is refused or gives token ids, whatever they
// are.

#include <gtest/gtest.h>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "runners/text/cleaning/caption_cleaning.h"
#include "runners/text/t5_tokenizer.h"
#include "tests/fuzz/mutate.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

const std::vector<std::string> kTexts = {
    "a cat walking on the beach", "Ünïcödé ｆｕｌｌ ﬁ 日本 😀", ""};

TEST(TokenizerFuzz, DamagedModelsNeverCrash) {
  const GoldenCase golden = FindGoldenCases("tokenizer").front();
  const std::string good =
      ReadFile((golden.folder / golden.json.at("file").get<std::string>()).string());
  constexpr size_t kPieces = 8000;  // bytes before the character table
  const TempDir folder;
  const std::string path = folder / "spiece.model";
  int loaded = 0;
  const int rounds = FuzzRounds(300);
  for (int i = 0; i < rounds; ++i) {
    SCOPED_TRACE(i);
    Mutator mutator(static_cast<uint32_t>(i));
    const std::string bytes = i % 2 == 0
                                  ? mutator.Mutate(good)
                                  : mutator.Mutate(good.substr(0, kPieces)) + good.substr(kPieces);
    AtomicWriteFile(path, bytes);
    try {
      const T5Tokenizer tokenizer(path);
      for (const std::string& text : kTexts) {
        for (const int64_t id : tokenizer.Encode(text, 20).ids) {
          EXPECT_GE(id, 0);
          EXPECT_LT(id, tokenizer.vocabulary());
        }
      }
      ++loaded;
    } catch (const UserError&) {
    }
  }
  EXPECT_GT(loaded, 0);
  EXPECT_LT(loaded, rounds);
}

TEST(CaptionFuzz, AnyBytesAreCleaned) {
  const std::vector<std::string> pieces = {"<",
                                           ">",
                                           "</",
                                           "<!--",
                                           "&#x",
                                           "&amp;",
                                           "%e2%82",
                                           "â€",
                                           "\xff",
                                           "\n",
                                           "\"'",
                                           "<b x='",
                                           "www.a.com/",
                                           "<script>",
                                           "]]>",
                                           "<![cdata[",
                                           "1.2.3.4"};
  const std::string start = "A <b>cat</b> & 3 dogs, http://a.b/c.png \"x\" – é";
  for (int i = 0; i < FuzzRounds(1000); ++i) {
    Mutator mutator(static_cast<uint32_t>(i));
    std::string text = start;
    for (int n = 0; n < 4; ++n) text = mutator.Mutate(text, pieces);
    const std::string clean = CleanCaption(text);
    EXPECT_EQ(clean.find('\n'), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace teacache
