#include "datasets/work/parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PartPath, NamesThePartBeforeTheExtension) {
  const Shard part{2, 8, "RANK"};
  EXPECT_EQ(PartPath("out/results.json", part), "out/results.part-2-of-8.json");
  EXPECT_EQ(PartPath("results", part), "results.part-2-of-8");
  EXPECT_EQ(PartPath("out/results.json", {}), "out/results.json");
  EXPECT_EQ(PartPath("", part), "");
  EXPECT_EQ(PartPath("/dev/null", part), "/dev/null");
}

TEST(FindParts, OfAFileAndOfAFolder) {
  const TempDir dir;
  for (const char* name : {"r.part-0-of-11.json",
                           "r.part-2-of-11.json",
                           "r.part-10-of-11.json",
                           "r.part-0-of-11.json.journal",
                           "r.part-0-of-11.per_video.csv",
                           "q.part-0-of-1.json",
                           "r.json.txt"}) {
    AtomicWriteFile(dir / name, "x");
  }
  EXPECT_THAT(
      FindParts(dir / "r.json"),
      ElementsAre(
          dir / "r.part-0-of-11.json", dir / "r.part-2-of-11.json", dir / "r.part-10-of-11.json"));
  EXPECT_EQ(FindParts(dir.path().string()).size(), 4u);
  EXPECT_THAT(FindParts(dir / "none.json"), ElementsAre(dir / "none.json"));
  // A file that is named itself is what is meant.
  EXPECT_THAT(FindParts(dir / "q.part-0-of-1.json"), ElementsAre(dir / "q.part-0-of-1.json"));
  AtomicWriteFile(dir / "r.json", "x");
  EXPECT_THAT(FindParts(dir / "r.json"), ElementsAre(dir / "r.json"));
}

TEST(PartText, SaysWhatDecided) {
  EXPECT_EQ(PartText({}), "");
  EXPECT_EQ(PartText({0, 1, "--shard"}), "");
  EXPECT_THAT(PartText({2, 8, "RANK"}), HasSubstr("part 2 of 8, by RANK (--shard 0/1"));
}

}  // namespace
}  // namespace teacache
