#include "datasets/base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
using testing::UnorderedElementsAre;

std::vector<std::string> AllNames(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

TEST(AtomicWriteFile, WritesAndReplaces) {
  const TempDir dir;
  AtomicWriteFile(dir / "a", "first, longer");
  AtomicWriteFile(dir / "a", "second");
  EXPECT_EQ(ReadFile(dir / "a"), "second");
  EXPECT_THAT(AllNames(dir.path()), ElementsAre("a"));
}

TEST(AtomicWriteFile, MissingFolderNamesTheFile) {
  const TempDir dir;
  EXPECT_THAT([&] { AtomicWriteFile(dir / "none/a", "x"); },
              ThrowsMessage<UserError>(HasSubstr("none/a: cannot be created")));
}

TEST(AtomicWriteFile, ANameOfTheGreatestLength) {
  const TempDir dir;
  const std::string name(255, 'n');
  AtomicWriteFile(dir / name, "x");
  EXPECT_EQ(ReadFile(dir / name), "x");
}

TEST(PendingPath, WithoutCommitNothingRemains) {
  const TempDir dir;
  AtomicWriteFile(dir / "a", "old");
  {
    const PendingPath pending(dir / "a");
    std::ofstream(pending.temp()) << "half";
  }
  EXPECT_EQ(ReadFile(dir / "a"), "old");
  EXPECT_THAT(AllNames(dir.path()), ElementsAre("a"));
}

std::string MakeFolderVersion(const std::string& path, const std::string& name) {
  PendingPath pending(path);
  MakeFolders(pending.temp());
  AtomicWriteFile(pending.temp() + "/" + name, name);
  pending.Commit();
  return pending.temp();
}

TEST(PendingPath, AFileNeverReplacesAFolder) {
  const TempDir dir;
  MakeFolders(dir / "full/deep");
  AtomicWriteFile(dir / "full/deep/old", "old");
  MakeFolders(dir / "empty");
  fs::create_directory_symlink("full", dir / "link");
  MakeFolderVersion(dir / "ours", "new");
  for (const char* name : {"full", "full/", "empty", "link", "link/", "ours", "new/"}) {
    EXPECT_THAT([&] { AtomicWriteFile(dir / name, "x"); },
                ThrowsMessage<UserError>(
                    HasSubstr("must be a file but \"" + dir / name + "\" is a folder")))
        << name;
    PendingPath pending(dir / name);
    std::ofstream(pending.temp()) << "x";
    if (!fs::exists(dir / name)) continue;
    EXPECT_THROW(pending.Commit(), UserError) << name;
  }
  EXPECT_EQ(ReadFile(dir / "full/deep/old"), "old");
  EXPECT_THAT(AllNames(dir.path()), UnorderedElementsAre("full", "empty", "link", "ours"));
}

TEST(PendingPath, AFolderReplacesOnlyOursAndEmptyOnes) {
  const TempDir dir;
  MakeFolders(dir / "theirs/deep");
  AtomicWriteFile(dir / "theirs/deep/old", "old");
  AtomicWriteFile(dir / "file", "old");
  EXPECT_THAT([&] { MakeFolderVersion(dir / "theirs", "new"); },
              ThrowsMessage<UserError>(HasSubstr("made by this program")));
  EXPECT_THAT([&] { MakeFolderVersion(dir / "file", "new"); },
              ThrowsMessage<UserError>(HasSubstr("but is a file")));
  EXPECT_EQ(ReadFile(dir / "theirs/deep/old"), "old");
  EXPECT_EQ(ReadFile(dir / "file"), "old");
  MakeFolders(dir / "ours");
  MakeFolderVersion(dir / "ours", "a");
  MakeFolderVersion(dir / "ours/", "b");
  EXPECT_THAT(AllNames(dir.path() / "ours"), UnorderedElementsAre("b", kFolderMarker));
  EXPECT_THAT(AllNames(dir.path()), UnorderedElementsAre("theirs", "file", "ours"));
}

TEST(AtomicWriteFile, WritesThroughLinks) {
  const TempDir dir;
  MakeFolders(dir / "data");
  AtomicWriteFile(dir / "data/old", "old");
  fs::create_symlink("data/old", dir / "link");
  fs::create_symlink("data/new", dir / "dangling");
  fs::create_symlink("loop", dir / "loop");
  AtomicWriteFile(dir / "link", "1");
  AtomicWriteFile(dir / "dangling", "2");
  EXPECT_EQ(ReadFile(dir / "data/old"), "1");
  EXPECT_EQ(ReadFile(dir / "data/new"), "2");
  EXPECT_TRUE(fs::is_symlink(dir / "link") && fs::is_symlink(dir / "dangling"));
  EXPECT_THROW(AtomicWriteFile(dir / "loop", "3"), UserError);
  EXPECT_THAT(AllNames(dir.path() / "data"), UnorderedElementsAre("old", "new"));
}

TEST(AtomicWriteFile, StreamsAreWrittenAndNotReplaced) {
  const TempDir dir;
  AtomicWriteFile("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_THAT([&] { AtomicWriteFile("/dev/full", "x"); },
              ThrowsMessage<UserError>(HasSubstr("/dev/full: cannot be written")));
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  const int fd = open((dir / "pipe").c_str(), O_RDWR);
  AtomicWriteFile(dir / "pipe", "abc");
  char text[3];
  EXPECT_EQ(read(fd, text, 3), 3);
  close(fd);
  EXPECT_TRUE(fs::is_fifo(dir / "pipe"));
  EXPECT_THROW(PendingPath(dir / "pipe"), UserError);
  // What the shell opened stays one file: "program --out /dev/stdout > file".
  const int file = open((dir / "file").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(write(file, "a", 1), 1);
  AtomicWriteFile("/dev/fd/" + std::to_string(file), "b");
  ASSERT_EQ(write(file, "c", 1), 1);
  close(file);
  EXPECT_EQ(ReadFile(dir / "file"), "abc");
}

TEST(PendingPath, CommitWithoutFileThrows) {
  const TempDir dir;
  PendingPath pending(dir / "a");
  EXPECT_THROW(pending.Commit(), UserError);
}

TEST(ReadFile, LimitIsInclusive) {
  const TempDir dir;
  AtomicWriteFile(dir / "a", "12345");
  EXPECT_EQ(ReadFile(dir / "a", 5), "12345");
  EXPECT_THAT([&] { ReadFile(dir / "a", 4); },
              ThrowsMessage<UserError>(HasSubstr("at most 4 bytes")));
}

TEST(ReadFile, MissingFileAndFolder) {
  const TempDir dir;
  EXPECT_THAT([&] { ReadFile(dir / "none"); },
              ThrowsMessage<UserError>(HasSubstr("none: cannot be opened: No such file")));
  EXPECT_THAT([&] { ReadFile(dir.path().string()); },
              ThrowsMessage<UserError>(HasSubstr("must be a file but is a folder")));
}

TEST(ReadFile, KeepsEveryByte) {
  const TempDir dir;
  std::string bytes(3 << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i * 31 + i / 256);
  }
  AtomicWriteFile(dir / "a", bytes);
  EXPECT_EQ(ReadFile(dir / "a"), bytes);
}

TEST(MakeFolders, AFileInTheWay) {
  const TempDir dir;
  AtomicWriteFile(dir / "a", "");
  EXPECT_THROW(MakeFolders(dir / "a"), UserError);
  EXPECT_THROW(MakeFolders(dir / "a/b"), UserError);
}

TEST(NaturalLess, NumbersByValue) {
  std::vector<std::string> names = {"f10", "f2", "f1", "F3", "f02", "f", "f2a", "f1.10", "f1.9"};
  std::sort(names.begin(), names.end(), NaturalLess);
  EXPECT_THAT(names, ElementsAre("F3", "f", "f1", "f1.9", "f1.10", "f2", "f02", "f2a", "f10"));
}

TEST(NaturalLess, NumbersBeyondAnyInteger) {
  EXPECT_TRUE(NaturalLess("99999999999999999999998", "99999999999999999999999"));
  EXPECT_TRUE(NaturalLess("99999999999999999999999", "100000000000000000000000"));
}

TEST(NaturalLess, IsAStrictTotalOrder) {
  const std::vector<std::string> pieces = {"",
                                           "0",
                                           "00",
                                           "1",
                                           "01",
                                           "a",
                                           "a0",
                                           "a00",
                                           "0a",
                                           "00a",
                                           "1a",
                                           "01a",
                                           "a1b02",
                                           "a01b2",
                                           "a1b2",
                                           "a01b02"};
  for (const auto& a : pieces) {
    EXPECT_FALSE(NaturalLess(a, a)) << a;
    for (const auto& b : pieces) {
      EXPECT_EQ(NaturalLess(a, b) + NaturalLess(b, a), a == b ? 0 : 1) << a << " " << b;
      for (const auto& c : pieces) {
        if (NaturalLess(a, b) && NaturalLess(b, c)) {
          EXPECT_TRUE(NaturalLess(a, c)) << a << " " << b << " " << c;
        }
      }
    }
  }
}

TEST(ListFolder, NaturalOrderWithoutHiddenFiles) {
  const TempDir dir;
  EXPECT_THAT(ListFolder(dir.path().string()), IsEmpty());
  for (const char* name : {"10.png", "9.png", ".hidden", "x"}) {
    AtomicWriteFile(dir / name, "");
  }
  EXPECT_THAT(ListFolder(dir.path().string()), ElementsAre("9.png", "10.png", "x"));
  EXPECT_THROW(ListFolder(dir / "none"), UserError);
}

// Known answers of FIPS 180-4's examples.
TEST(Sha256Hex, KnownAnswers) {
  EXPECT_EQ(Sha256Hex(std::string_view("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex(std::string_view("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const TempDir dir;
  const std::string million(1000000, 'a');
  AtomicWriteFile(dir / "a", million);
  EXPECT_EQ(Sha256HexOfFile(dir / "a"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace teacache
