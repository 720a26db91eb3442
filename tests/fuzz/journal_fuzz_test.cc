#include <gtest/gtest.h>

#include <cstdio>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "tests/fuzz/mutate.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

// A damaged journal is either refused and left as it is, or opens, takes an entry and gives back
// what it said it held, plus that entry.
TEST(JournalFuzz, MutatedFiles) {
  const TempDir dir;
  const std::string settings = R"({"metrics":["psnr"],"threshold":0.1})";
  {
    Journal journal(dir / "good", "scores", settings);
    journal.Append(R"({"name":"a","psnr":31.5})");
    journal.Append(R"({"name":"b","psnr":"inf"})");
  }
  const std::string good = ReadFile(dir / "good");
  Mutator mutator(99);
  int opened = 0, refused = 0;
  for (int i = 0; i < FuzzRounds(400); ++i) {
    const std::string bytes =
        mutator.Mutate(good, {"\n", "{", "}", "\"", "{}", "{}\n", "[[[[[[", "\xff", "null\n"});
    std::FILE* out = std::fopen((dir / "bad").c_str(), "wb");
    std::fwrite(bytes.data(), 1, bytes.size(), out);
    std::fclose(out);
    size_t entries = 0;
    try {
      Journal journal(dir / "bad", "scores", settings);
      entries = journal.contents().entries.size();
      journal.Append(R"({"name":"new"})");
      ++opened;
    } catch (const UserError&) {
      EXPECT_EQ(ReadFile(dir / "bad"), bytes);
      ++refused;
      continue;
    }
    const JournalContents contents = ReadJournal(dir / "bad");
    ASSERT_EQ(contents.entries.size(), entries + 1);
    EXPECT_EQ(contents.entries.back(), R"({"name":"new"})");
    EXPECT_TRUE(contents.warnings.empty());
  }
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace teacache
