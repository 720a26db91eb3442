#include "datasets/base/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace teacache {
namespace {

class ProgressPrinterTest : public testing::Test {
 protected:
  ProgressPrinterOptions Options(bool terminal) {
    ProgressPrinterOptions options;
    options.terminal = terminal;
    options.clock = [this] { return now_; };
    return options;
  }
  Progress At(int64_t done, int64_t total = 10) { return {"scoring", "videos", done, total, ""}; }

  double now_ = 100;
  std::ostringstream out_;
};

TEST_F(ProgressPrinterTest, PlainLinesNowAndThen) {
  ProgressPrinter printer(out_, Options(false));
  printer.Report(At(0));
  now_ += 2;
  printer.Report(At(1));  // too early for another line
  now_ += 8;
  printer.Report(At(5));
  now_ += 1;
  printer.Report(At(10));  // the end is always told
  EXPECT_EQ(out_.str(),
            "scoring  0/10 videos\n"
            "scoring  5/10 videos  0.5/s  10 s left\n"
            "scoring  10/10 videos  0.9/s  in 11 s\n");
}

TEST_F(ProgressPrinterTest, ResumedItemsDoNotCountForTheRate) {
  ProgressPrinter printer(out_, Options(false));
  printer.Report(At(1000, 1020));
  now_ += 100;
  printer.Report(At(1010, 1020));
  EXPECT_THAT(out_.str(), testing::HasSubstr("1010/1020 videos  0.1/s  1 min 40 s left"));
}

TEST_F(ProgressPrinterTest, TerminalLineIsDrawnAgainAndEnded) {
  {
    ProgressPrinter printer(out_, Options(true));
    printer.Report({"scoring",
                    "videos",
                    5,
                    10,
                    "a\nname that is far too long for this terminal, "
                    "so that it must be cut somewhere"});
    printer.Warn("careful");
    now_ += 1;
    printer.Report(At(6));
  }
  const std::string text = out_.str();
  EXPECT_THAT(text, testing::HasSubstr("\r\x1b[Kscoring  [############............]  5/10"));
  EXPECT_THAT(text, testing::HasSubstr("a\\nname"));
  EXPECT_THAT(text, testing::HasSubstr("\r\x1b[Kwarning: careful\n"));
  EXPECT_EQ(text.find("somewhere"), std::string::npos);
  EXPECT_EQ(text.back(), '\n');
}

TEST_F(ProgressPrinterTest, UnknownTotalAndNewTask) {
  ProgressPrinter printer(out_, Options(false));
  printer.Report({"reading", "frames", 1, -1, ""});
  printer.Report({"scoring", "frames", 0, 0, ""});
  EXPECT_EQ(out_.str(), "reading  1 frames\nscoring  0/0 frames\n");
}

TEST(FormatSeconds, Units) {
  EXPECT_EQ(FormatSeconds(0.4), "0 s");
  EXPECT_EQ(FormatSeconds(59.6), "1 min 0 s");
  EXPECT_EQ(FormatSeconds(3600 * 3 + 60 * 20), "3 h 20 min");
  EXPECT_EQ(FormatSeconds(86400 * 2 + 3600 * 4), "2 d 4 h");
  EXPECT_EQ(FormatSeconds(-5), "0 s");
}

TEST(NoProgress, TakesEverything) {
  NoProgress().Report({});
  NoProgress().Warn("x");
}

}  // namespace
}  // namespace teacache
