#include "datasets/base/outputs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <iterator>

#include "datasets/base/error.h"
#include "datasets/base/file_lock.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class OutputCheckTest : public testing::Test {
 protected:
  OutputCheckTest() {
    MakeFolders(dir_ / "G/sub");
    AtomicWriteFile(dir_ / "G/a.mp4", "video");
    AtomicWriteFile(dir_ / "x.csv", "x,y");
    fs::create_hard_link(dir_ / "x.csv", dir_ / "hard");
    fs::create_symlink("x.csv", dir_ / "soft");
    fs::create_symlink("new.json", dir_ / "dangling");
    fs::create_directory_symlink("G", dir_ / "L");
  }

  // "" = fine.
  std::string ErrorOf(const std::function<void(OutputCheck*)>& describe) const {
    OutputCheck check;
    describe(&check);
    try {
      check.Run();
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }

  // --out FILE beside the input x.csv and the input folder G.
  std::string ErrorOfOut(const std::string& path) const {
    return ErrorOf([&](OutputCheck* check) {
      check->Reads("files", dir_ / "x.csv");
      check->ReadsFolder("--gt", dir_ / "G", {".mp4", ".png"});
      check->WritesFile("--out", path);
    });
  }

  TempDir dir_;
};

TEST_F(OutputCheckTest, AFileIsNoFolder) {
  for (const char* name : {"G", "G/", "L", "new/", "G/sub/.."}) {
    EXPECT_THAT(ErrorOfOut(dir_ / name), StartsWith("--out: must be a file but \"")) << name;
  }
  const auto folder = [&](const std::string& path) {
    return ErrorOf([&](OutputCheck* check) { check->WritesFolder("--out", path); });
  };
  EXPECT_EQ(folder(dir_ / "G"), "");
  EXPECT_EQ(folder(dir_ / "new/deep/"), "");
  EXPECT_THAT(folder(dir_ / "x.csv"), StartsWith("--out: must be a folder"));
  EXPECT_THAT(folder(dir_ / "x.csv/deep"), HasSubstr("x.csv\" is no folder"));
  EXPECT_FALSE(fs::exists(dir_ / "new"));
}

TEST_F(OutputCheckTest, NoInputByAnyName) {
  for (const char* name : {"x.csv", "./x.csv", "hard", "soft", "G/../x.csv", "L/../x.csv"}) {
    EXPECT_THAT(ErrorOfOut(dir_ / name),
                AllOf(StartsWith("--out: must be no input"), HasSubstr("read by files")))
        << name;
  }
  EXPECT_EQ(ErrorOfOut(dir_ / "y.csv"), "");
  EXPECT_EQ(ErrorOfOut("/dev/null"), "");
  EXPECT_THAT(ErrorOf([&](OutputCheck* check) {
                check->Reads("files", dir_ / "not/there.csv");
                check->WritesFile("--out", dir_ / "not/./there.csv");
              }),
              HasSubstr("must be no input"));
}

TEST_F(OutputCheckTest, NothingIsReadAsAnItem) {
  for (const char* name : {"G/b.mp4", "G/b.MP4", "L/b.mp4", "G/sub/1.png", "G/new/1.png"}) {
    EXPECT_THAT(ErrorOfOut(dir_ / name), HasSubstr("must not be among the files that --gt reads"))
        << name;
  }
  EXPECT_EQ(ErrorOfOut(dir_ / "G/results.json"), "");
  EXPECT_EQ(ErrorOfOut(dir_ / "Gb.mp4"), "");
  for (const char* name : {"G", "L", "G/report"}) {
    EXPECT_THAT(ErrorOf([&](OutputCheck* check) {
                  check->Keeps("FOLDER", dir_ / "G");
                  check->WritesFolder("--out", dir_ / name);
                }),
                HasSubstr("must not be among the files that FOLDER reads"))
        << name;
  }
}

TEST_F(OutputCheckTest, OutputsDiffer) {
  const auto both = [&](const std::string& a, const std::string& b) {
    return ErrorOf([&](OutputCheck* check) {
      check->WritesFile("--out", a);
      check->WritesFile("--csv", b);
    });
  };
  EXPECT_THAT(both(dir_ / "z", dir_ / "z"), StartsWith("--csv: must be another file than --out"));
  EXPECT_THAT(both(dir_ / "G/z", dir_ / "L/z"), HasSubstr("another file"));
  EXPECT_THAT(both(dir_ / "hard", dir_ / "soft"), HasSubstr("another file"));
  EXPECT_THAT(both(dir_ / "dangling", dir_ / "new.json"), HasSubstr("another file"));
  EXPECT_EQ(both(dir_ / "z", dir_ / "y"), "");
  EXPECT_EQ(both("/dev/null", "/dev/null"), "");
  EXPECT_EQ(both("", ""), "");
}

TEST_F(OutputCheckTest, TheFolderCanBeWritten) {
  // Below a file and in /proc nothing can be written, not even by root.
  EXPECT_THAT(ErrorOfOut(dir_ / "x.csv/z"), HasSubstr("x.csv\" is no folder"));
  EXPECT_THAT(ErrorOfOut("/proc/z"), HasSubstr("cannot be written in \"/proc\": "));
  EXPECT_THAT(ErrorOfOut("/proc/none/deep/z"), HasSubstr("cannot be written in \"/proc\": "));
  EXPECT_EQ(ErrorOfOut(dir_ / "new/deep/z"), "");
  EXPECT_FALSE(fs::exists(dir_ / "new"));
  const fs::directory_iterator files(dir_.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 6);  // the attempts leave nothing
}

// Outputs that exist: a command replaces its own.
class OwnerTest : public testing::Test {
 protected:
  OutputCheck Check(const std::string& command, bool overwrite = false) const {
    OutputCheck check;
    check.OwnedBy({command, overwrite});
    check.WritesFile("--out", dir_ / "r.json");
    return check;
  }

  // A call of a program, stopped in the middle or not. "" = fine.
  std::string Call(const std::string& command, bool overwrite = false, bool killed = false) const {
    const OutputCheck check = Check(command, overwrite);
    try {
      check.Run();
    } catch (const UserError& error) {
      return error.what();
    }
    check.Begin();
    AtomicWriteFile(dir_ / "r.json", "of " + command);
    if (!killed) check.Finish();
    return "";
  }

  TempDir dir_;
};

TEST_F(OwnerTest, ACommandReplacesItsOwnFiles) {
  EXPECT_EQ(Call("a"), "");
  EXPECT_EQ(Call("a"), "");
  EXPECT_THAT(Call("b"),
              AllOf(StartsWith("--out: \""),
                    HasSubstr("r.json\" exists and was made by another command"),
                    HasSubstr("--overwrite")));
  EXPECT_EQ(ReadFile(dir_ / "r.json"), "of a");
  EXPECT_EQ(Call("b", /*overwrite=*/true), "");
  EXPECT_THAT(Call("a"), HasSubstr("another command"));
  EXPECT_EQ(Call("b"), "");
}

TEST_F(OwnerTest, AStoppedCommandIsRunAgain) {
  EXPECT_EQ(Call("a", false, /*killed=*/true), "");
  EXPECT_THAT(Call("b"), HasSubstr("another command"));
  EXPECT_EQ(Call("a"), "");
  EXPECT_EQ(Call("a", false, /*killed=*/true), "");
  EXPECT_EQ(Call("a"), "");
}

TEST_F(OwnerTest, ForeignFilesAreKept) {
  AtomicWriteFile(dir_ / "r.json", "a letter");
  EXPECT_THAT(Call("a"), HasSubstr("is not known to be made by this command"));
  EXPECT_EQ(ReadFile(dir_ / "r.json"), "a letter");
  EXPECT_EQ(Call("a", /*overwrite=*/true), "");
  AtomicWriteFile(dir_ / "r.json", "edited");
  EXPECT_THAT(Call("a"), HasSubstr("was changed since this command made it"));
  AtomicWriteFile(dir_ / "r.json", "");
  EXPECT_EQ(Call("b"), "");  // nothing to lose
}

TEST_F(OwnerTest, RemovedFilesAndLinks) {
  EXPECT_EQ(Call("a"), "");
  fs::remove(dir_ / "r.json");
  EXPECT_EQ(Call("b"), "");
  fs::create_symlink("r.json", dir_ / "link");
  OutputCheck link;
  link.OwnedBy({"b", false});
  link.WritesFile("--out", dir_ / "link");
  EXPECT_NO_THROW(link.Run());
}

TEST_F(OwnerTest, TheSameCommandMayNotExchangeItsFiles) {
  EXPECT_EQ(Call("a"), "");
  OutputCheck check;
  check.OwnedBy({"a", false});
  check.WritesFile("--csv", dir_ / "r.json");
  EXPECT_THROW(check.Run(), UserError);
}

TEST_F(OwnerTest, WhatGrowsRefusesOthersItself) {
  AtomicWriteFile(dir_ / "trace.jsonl", "rows");
  OutputCheck check;
  check.OwnedBy({"a", false});
  check.GrowsFile("--out", dir_ / "trace.jsonl");
  EXPECT_NO_THROW(check.Run());
  check.Begin();
  check.Finish();
  EXPECT_EQ(ReadFile(dir_ / "trace.jsonl"), "rows");
}

TEST_F(OwnerTest, OverwritingBeginsWhatGrowsAgain) {
  const auto begin = [&](const std::string& command, bool overwrite) {
    OutputCheck check;
    check.OwnedBy({command, overwrite});
    check.GrowsFile("--out", dir_ / "trace.jsonl");
    check.Run();
    check.Begin();
    const bool goes_on = fs::exists(dir_ / "trace.jsonl");
    AtomicWriteFile(dir_ / "trace.jsonl", "rows of " + command);
    return goes_on;
  };
  AtomicWriteFile(dir_ / "trace.jsonl", "a letter");
  EXPECT_TRUE(begin("a", false));
  EXPECT_FALSE(begin("a", true));  // going on with a file does not make it one's own
  EXPECT_TRUE(begin("a", true));
  EXPECT_FALSE(begin("b", true));
  EXPECT_TRUE(begin("b", true));
  const int fd = open((dir_ / "trace.jsonl").c_str(), O_RDONLY);
  LockFile(fd, "");
  EXPECT_THROW(begin("a", true), UserError);
  close(fd);
  EXPECT_FALSE(begin("a", true));
}

TEST_F(OwnerTest, ACutRecordIsForeign) {
  EXPECT_EQ(Call("a"), "");
  AtomicWriteFile(dir_ / kOutputsFile, "\n{\"file\": \"r.j");
  EXPECT_THAT(Call("a"), HasSubstr("is not known"));
  EXPECT_EQ(Call("a", /*overwrite=*/true), "");
  EXPECT_EQ(Call("a"), "");
}

TEST_F(OwnerTest, WithoutACommandThereIsNoRule) {
  AtomicWriteFile(dir_ / "r.json", "a letter");
  EXPECT_EQ(Call(""), "");
  EXPECT_FALSE(fs::exists(dir_ / kOutputsFile));
}

}  // namespace
}  // namespace teacache
