#include "datasets/base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(PendingPath, ReplacesAFullFolder) {
  const TempDir dir;
  MakeFolders(dir / "out/deep");
  AtomicWriteFile(dir / "out/deep/old", "old");
  PendingPath pending(dir / "out/");
  MakeFolders(pending.temp());
  AtomicWriteFile(pending.temp() + "/new", "new");
  pending.Commit();
  EXPECT_THAT(AllNames(dir.path()), ElementsAre("out"));
  EXPECT_THAT(AllNames(dir.path() / "out"), ElementsAre("new"));
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
