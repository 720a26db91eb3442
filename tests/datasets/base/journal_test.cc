#include "datasets/base/journal.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

const std::string kSettings = R"({"metrics":["psnr","ssim"],"threshold":0.1})";

TEST(Journal, GoesOnWhereItWas) {
  const TempDir dir;
  {
    Journal journal(dir / "j", "scores", kSettings);
    EXPECT_THAT(journal.contents().entries, IsEmpty());
    journal.Append(R"({"name":"a","psnr":0.3333333333333333})");
    journal.Append(R"({"name":"b\n\"é\""})");
  }
  Journal journal(dir / "j", "scores", kSettings);
  std::vector<std::string> names;
  journal.contents().ForEachEntry([&names](const JsonNode& entry) {
    names.push_back(entry.At("name").String());
    EXPECT_EQ(entry.Number("psnr", 1.0 / 3), 1.0 / 3);
  });
  EXPECT_THAT(names, ElementsAre("a", "b\n\"é\""));
  EXPECT_THAT(journal.warnings(), IsEmpty());
  journal.Append(R"({"name":"c"})");
  const JournalContents contents = ReadJournal(dir / "j");
  EXPECT_THAT(contents.entries, SizeIs(3));
  EXPECT_EQ(contents.kind, "scores");
  EXPECT_EQ(contents.settings, kSettings);
}

// Cut at every length: what was whole before the cut is found again, and appending goes on.
TEST(Journal, EveryCutKeepsTheWholeLines) {
  const TempDir dir;
  {
    Journal journal(dir / "j", "k", kSettings);
    journal.Append(R"({"i":0})");
    journal.Append(R"({"i":1})");
  }
  const std::string bytes = ReadFile(dir / "j");
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    SCOPED_TRACE(cut);
    AtomicWriteFile(dir / "cut", std::string_view(bytes).substr(0, cut));
    const auto lines = std::count(bytes.begin(), bytes.begin() + static_cast<long>(cut), '\n');
    {
      Journal journal(dir / "cut", "k", kSettings);
      EXPECT_THAT(journal.contents().entries, SizeIs(lines == 0 ? 0 : lines - 1));
      const bool whole = cut == 0 || bytes[cut - 1] == '\n';
      EXPECT_THAT(journal.warnings(), SizeIs(whole ? 0 : 1));
      journal.Append(R"({"i":"new"})");
    }
    const JournalContents contents = ReadJournal(dir / "cut");
    EXPECT_EQ(contents.entries.back(), R"({"i":"new"})");
    EXPECT_THAT(contents.warnings, IsEmpty());
  }
}

TEST(Journal, GarbageAtTheEndIsLeftOut) {
  const TempDir dir;
  { Journal(dir / "j", "k", kSettings).Append(R"({"i":0})"); }
  AtomicWriteFile(dir / "j", ReadFile(dir / "j") + std::string(20, '\0') + "\n");
  Journal journal(dir / "j", "k", kSettings);
  EXPECT_THAT(journal.contents().entries, SizeIs(1));
  EXPECT_THAT(journal.warnings(), ElementsAre(HasSubstr("21 bytes of it are left out")));
}

TEST(Journal, GarbageInTheMiddleIsRefused) {
  const TempDir dir;
  { Journal(dir / "j", "k", kSettings).Append(R"({"i":0})"); }
  AtomicWriteFile(dir / "j", ReadFile(dir / "j") + "{\n{\"i\":1}\n");
  EXPECT_THAT([&] { Journal(dir / "j", "k", kSettings); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("j: line 3 must be a JSON object"),
                                             HasSubstr("remove the file to start over"))));
}

TEST(Journal, OtherSettingsAreRefusedByName) {
  const TempDir dir;
  { Journal(dir / "j", "k", kSettings); }
  const auto open = [&](const std::string& settings) { Journal(dir / "j", "k", settings); };
  EXPECT_NO_THROW(open(R"({"threshold":0.1,"metrics":["psnr","ssim"]})")) << "in another order";
  EXPECT_THAT([&] { open(R"({"metrics":["psnr","ssim"],"threshold":0.2})"); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("threshold was 0.1 and is 0.2"),
                                             HasSubstr("remove the file to start over"))));
  EXPECT_THAT([&] { open(R"({"extra":1,"metrics":["psnr","ssim"],"threshold":0.1})"); },
              ThrowsMessage<UserError>(HasSubstr("extra was not given and is 1")));
  EXPECT_THAT([&] { open(R"({"metrics":["psnr"],"threshold":0.1})"); },
              ThrowsMessage<UserError>(HasSubstr("metrics/1 was \"ssim\" and is not given")));
  EXPECT_THAT([&] { Journal(dir / "j", "other", kSettings); },
              ThrowsMessage<UserError>(HasSubstr("must be a journal of other but is one of k")));
}

TEST(Journal, DoesNotTouchAFileThatIsNoJournal) {
  const TempDir dir;
  for (const char* bytes : {"hello", "{\"a\":1}\n", "{\"format\":\"teacache-trace\"}\n", "\n"}) {
    AtomicWriteFile(dir / "j", bytes);
    EXPECT_THAT([&] { Journal(dir / "j", "k", kSettings); },
                ThrowsMessage<UserError>(HasSubstr("must be a journal")))
        << bytes;
    EXPECT_EQ(ReadFile(dir / "j"), bytes);
  }
}

TEST(Journal, AnEditedHeaderIsRefused) {
  const TempDir dir;
  { Journal(dir / "j", "k", kSettings); }
  std::string bytes = ReadFile(dir / "j");
  bytes.replace(bytes.find("0.1"), 3, "0.3");
  AtomicWriteFile(dir / "j", bytes);
  EXPECT_THAT([&] { ReadJournal(dir / "j"); },
              ThrowsMessage<UserError>(HasSubstr("settings: must fit the digest")));
}

TEST(Journal, TwoAtATimeAreRefused) {
  const TempDir dir;
  const Journal first(dir / "j", "k", kSettings);
  EXPECT_THAT([&] { Journal(dir / "j", "k", kSettings); },
              ThrowsMessage<UserError>(HasSubstr("another process holds it")));
}

TEST(Journal, LinesOfSeveralThreadsStayWhole) {
  const TempDir dir;
  constexpr int kThreads = 4, kEach = 10;
  {
    Journal journal(dir / "j", "k", kSettings);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&journal, t] {
        for (int i = 0; i < kEach; ++i) {
          journal.Append(
              fmt::format(R"({{"item":{},"text":"{}"}})", t * kEach + i, std::string(100, 'x')));
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  std::vector<bool> seen(kThreads * kEach);
  ReadJournal(dir / "j").ForEachEntry(
      [&seen](const JsonNode& entry) { seen.at(entry.Integer("item")) = true; });
  EXPECT_THAT(seen, testing::Each(true));
}

TEST(Journal, WrongUse) {
  const TempDir dir;
  Journal journal(dir / "j", "k", kSettings);
  EXPECT_THROW(journal.Append("[1]"), std::invalid_argument);
  EXPECT_THROW(journal.Append("{\n}"), std::invalid_argument);
  EXPECT_THROW(Journal(dir / "none/j", "k", kSettings), UserError);
  EXPECT_THROW(ReadJournal(dir / "none"), UserError);
  AtomicWriteFile(dir / "empty", "");
  EXPECT_THROW(ReadJournal(dir / "empty"), UserError);
}

}  // namespace
}  // namespace teacache
