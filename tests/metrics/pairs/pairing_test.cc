#include "metrics/pairs/pairing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "datasets/base/error.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

class PairingTest : public testing::Test {
 protected:
  void Touch(const std::string& name) {
    fs::create_directories((dir_.path() / name).parent_path());
    std::ofstream(dir_ / name) << "x";
  }
  static std::vector<std::string> Names(const std::vector<NamedVideo>& videos) {
    std::vector<std::string> names;
    for (const NamedVideo& video : videos) names.push_back(video.name);
    return names;
  }
  static std::vector<std::string> Names(const Pairing& pairing) {
    std::vector<std::string> names;
    for (const VideoPair& pair : pairing.pairs) names.push_back(pair.name);
    return names;
  }
  TempDir dir_;
};

using FindVideosTest = PairingTest;
using PairByNameTest = PairingTest;
using PairAsTeaCacheTest = PairingTest;

TEST_F(FindVideosTest, FolderInNaturalOrderWithoutOtherFiles) {
  for (const char* name :
       {"a 10-0.mp4", "a 2-0.MKV", "notes.txt", ".hidden.mp4", "b.y4m", "c.safetensors"}) {
    Touch(name);
  }
  EXPECT_THAT(Names(FindVideos(dir_.path().string())), ElementsAre("a 2-0", "a 10-0", "b", "c"));
}

TEST_F(FindVideosTest, FoldersOfPicturesAreVideos) {
  Touch("clip 1/0000.png");
  Touch("clip 2/0000.JPG");
  Touch("deep/er/0000.jpeg");
  Touch("deep/x.mp4");
  EXPECT_THAT(Names(FindVideos(dir_.path().string())), ElementsAre("clip 1", "clip 2"));
  EXPECT_THAT(Names(FindVideos(dir_.path().string(), true)),
              ElementsAre("clip 1", "clip 2", "deep/er", "deep/x"));
  EXPECT_THAT(Names(FindVideos(dir_ / "clip 1")), ElementsAre("clip 1"));
  EXPECT_THAT(Names(FindVideos(dir_ / "clip 1/")), ElementsAre("clip 1"));
}

TEST_F(FindVideosTest, LinksThatLeadBackAreNotFollowed) {
  Touch("deep/x.mp4");
  fs::create_directory_symlink(dir_.path(), dir_.path() / "deep/again");
  fs::create_directory_symlink(dir_.path() / "deep", dir_.path() / "deep/self");
  fs::create_symlink(dir_.path() / "loop.mp4", dir_.path() / "loop.mp4");
  fs::create_symlink("round", dir_.path() / "round");
  EXPECT_THAT(Names(FindVideos(dir_.path().string(), true)), ElementsAre("deep/x", "loop"));
}

TEST_F(FindVideosTest, AFolderThatCannotBeListedIsAnItem) {
  if (geteuid() == 0) GTEST_SKIP() << "root may list every folder";
  Touch("closed/0000.png");
  Touch("x.mp4");
  fs::permissions(dir_.path() / "closed", fs::perms::none);
  EXPECT_THAT(Names(FindVideos(dir_.path().string(), true)), ElementsAre("closed", "x"));
  fs::permissions(dir_.path() / "closed", fs::perms::owner_all);
}

TEST_F(FindVideosTest, ListOfPaths) {
  Touch("x/b.mp4");
  Touch("x/a.mp4");
  Touch("list.txt");
  std::ofstream(dir_ / "list.txt") << "x/b.mp4\r\nx/a.mp4\n\n";
  const auto videos = FindVideos(dir_ / "list.txt");
  EXPECT_THAT(Names(videos), ElementsAre("a", "b"));
  EXPECT_TRUE(fs::exists(videos[0].path));
}

TEST_F(FindVideosTest, ARunFolderStandsForItsVideos) {
  for (const char* file : {"run.json", "timing.jsonl", "videos/a-0.mp4", "videos/b-0.mp4"}) {
    Touch(file);
  }
  const std::string run = dir_.path().string();
  EXPECT_THAT(Names(FindVideos(run)), ElementsAre("a-0", "b-0"));
  EXPECT_THAT(VideosLeftOut(run, /*recursive=*/false, {dir_ / "videos/a-0.mp4"}),
              ElementsAre(dir_ / "videos/b-0.mp4"));
}

TEST_F(FindVideosTest, MistakesAreNamed) {
  EXPECT_THAT([&] { FindVideos(dir_ / "none"); },
              ThrowsMessage<UserError>(HasSubstr("does not exist")));
  Touch("notes.md");
  EXPECT_THAT([&] { FindVideos(dir_.path().string()); },
              ThrowsMessage<UserError>(HasSubstr("holds none")));
  Touch("a.mp4");
  Touch("a.mkv");
  EXPECT_THAT([&] { FindVideos(dir_.path().string()); },
              ThrowsMessage<UserError>(HasSubstr("are both \"a\"")));
}

TEST_F(PairByNameTest, ReportsWhatHasNoPartner) {
  const Pairing pairing =
      PairByName({{"a", "gt/a"}, {"b", "gt/b"}, {"c", "gt/c"}}, {{"b", "gen/b"}, {"d", "gen/d"}});
  EXPECT_THAT(Names(pairing), ElementsAre("b"));
  EXPECT_EQ(pairing.pairs[0].gt, "gt/b");
  EXPECT_EQ(pairing.pairs[0].gen, "gen/b");
  EXPECT_THAT(pairing.unmatched_gt, ElementsAre("gt/a", "gt/c"));
  EXPECT_THAT(pairing.unmatched_gen, ElementsAre("gen/d"));
}

TEST_F(PairByNameTest, OneFileOnEachSideIsAPair) {
  const Pairing pairing = PairByName({{"before", "x"}}, {{"after", "y"}});
  EXPECT_THAT(Names(pairing), ElementsAre("after"));
}

TEST_F(PairAsTeaCacheTest, IsDrivenByTheGeneratedFolder) {
  for (const char* name : {"gt/b-0.mp4",
                           "gt/a-0.mp4",
                           "gt/extra-0.mp4",
                           "gen/b-0.mp4",
                           "gen/a-0.mp4",
                           "gen/upper-0.MP4",
                           "gen/other.mkv"}) {
    Touch(name);
  }
  const Pairing pairing = PairAsTeaCache(dir_ / "gt", dir_ / "gen");
  EXPECT_THAT(Names(pairing), ElementsAre("a-0", "b-0"));
  EXPECT_THAT(pairing.unmatched_gt, IsEmpty());
  EXPECT_THAT(Names(PairAsTeaCache(dir_ / "gt", dir_ / "gen", {"b-0", "a-0"})),
              ElementsAre("b-0", "a-0"));
  EXPECT_THROW(PairAsTeaCache(dir_ / "gt", dir_ / "gen", {"b-0"}), UserError);
  EXPECT_THROW(PairAsTeaCache(dir_ / "gt", dir_ / "gen", {"b-0", "b-0"}), UserError);
}

TEST_F(PairAsTeaCacheTest, FailsWhereTheScriptFails) {
  Touch("gt/a-0.mp4");
  Touch("gen/A-0.MP4");
  EXPECT_THAT([&] { PairAsTeaCache(dir_ / "gt", dir_ / "gen"); },
              ThrowsMessage<UserError>(HasSubstr("must hold .mp4 files")));
  Touch("gen/b-0.mp4");
  EXPECT_THAT([&] { PairAsTeaCache(dir_ / "gt", dir_ / "gen"); },
              ThrowsMessage<UserError>(HasSubstr("gt/b-0.mp4")));
}

TEST_F(PairAsTeaCacheTest, ExtensionInsideThePromptBreaksThePair) {
  Touch("gt/a.mp4 clip-0.mp4");
  Touch("gen/a.mp4 clip-0.mp4");
  EXPECT_THAT([&] { PairAsTeaCache(dir_ / "gt", dir_ / "gen"); },
              ThrowsMessage<UserError>(HasSubstr("a clip-0.mp4")));
}

}  // namespace
}  // namespace teacache
