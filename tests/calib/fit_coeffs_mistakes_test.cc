// Files with mistakes: each is refused or warned of with its name and, where there is one, the
// line, and nothing is written when it is refused.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "calib/fit_coeffs.h"
#include "datasets/base/error.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::HasSubstr;

constexpr int kCalls = 12;

// A trace of `runs` runs; line 1 is the header, call c of run r is on line 2 + r * kCalls + c.
std::vector<std::string> TraceLines(int runs) {
  std::vector<std::string> lines = {fmt::format(
      R"({{"format":"teacache-trace","version":1,"model":"m","steps":{0},"calls":{0},"modulated":"input"}})",
      kCalls)};
  for (int r = 0; r < runs; ++r) {
    for (int c = 0; c < kCalls; ++c) {
      const double x = 10 + (7 * c + 3 * r) % 17;
      const std::string sums = c == 0
                                   ? ""
                                   : fmt::format(R"(,"mod":{{"diff_l1":{},"prev_l1":100,"n":9}},)"
                                                 R"("res":{{"diff_l1":{},"prev_l1":100,"n":9}})",
                                                 x,
                                                 2 * x + 0.1 * ((c + r) % 5));
      lines.push_back(
          fmt::format(R"({{"prompt":"p{}","seed":0,"call":{},"step":{}{}}})", r, c, c, sums));
    }
  }
  return lines;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

void Replace(std::string* text, const std::string& from, const std::string& to) {
  const size_t at = text->find(from);
  ASSERT_NE(at, std::string::npos) << from << " in " << *text;
  text->replace(at, from.size(), to);
}

struct Case {
  std::string name;
  std::function<void(std::vector<std::string>*)> edit;
  std::string told;  // part of the message or warning, behind the file's name
};

std::string RunOn(const std::string& folder, const std::vector<std::string>& files, bool* written) {
  FitCoeffsOptions options;
  for (const std::string& file : files) options.input.files.push_back(folder + "/" + file);
  options.fit.degree = 2;
  options.allow_worse_degree = true;
  options.diagnostics.bootstrap = 20;
  options.out = folder + "/out.json";
  std::filesystem::remove(options.out);
  std::string told;
  try {
    for (const std::string& warning : RunFitCoeffs(options).warnings) told += warning + "\n";
  } catch (const UserError& error) {
    told = error.what();
  }
  *written = std::filesystem::exists(options.out);
  return told;
}

TEST(Mistakes, TracesAreRefusedWithFileAndLine) {
  const TempDir dir;
  const std::vector<Case> cases = {
      {"NaN", [](auto* l) { Replace(&(*l)[5], "\"diff_l1\":", "\"diff_l1\":NaN,\"x\":"); }, ":6:"},
      {"infinity", [](auto* l) { Replace(&(*l)[5], "100", "1e999"); }, ":6:"},
      {"negative", [](auto* l) { Replace(&(*l)[5], "100", "-1"); }, ":6:"},
      {"no number", [](auto* l) { Replace(&(*l)[5], "100", "\"a\""); }, ":6:"},
      {"twice", [](auto* l) { l->push_back((*l)[3]); }, ":50: rows must be different"},
      {"call outside", [](auto* l) { Replace(&(*l)[3], "\"call\":2", "\"call\":12"); }, ":4:"},
      {"version", [](auto* l) { Replace(&(*l)[0], "\"version\":1", "\"version\":9"); }, ":1:"},
      {"no prompt", [](auto* l) { Replace(&(*l)[3], "\"prompt\"", "\"promt\""); }, ":4:"},
      {"no JSON", [](auto* l) { (*l)[7] = "{\"prompt\":"; }, ":8:11: must be valid JSON"},
      {"header only", [](auto* l) { l->resize(1); }, ": must have rows but has a header only"},
      {"header cut",
       [](auto* l) { l->resize(1), (*l)[0].resize(30); },
       ": must begin with the header of a trace"},
      {"too few pairs", [](auto* l) { l->resize(4); }, ": fit: pairs must be at least as many"},
      {"constant x",
       [](auto* l) {
         for (size_t i = 2; i < l->size(); ++i) {
           if ((i - 1) % kCalls == 0) continue;
           const size_t at = (*l)[i].find("diff_l1\":") + 9;
           (*l)[i].replace(at, (*l)[i].find(',', at) - at, "5");
         }
       },
       ": fit: x must take at least 3 different values"},
      {"all zero",
       [](auto* l) {
         for (std::string& line : *l) {
           if (line.find("100") != std::string::npos) Replace(&line, "100", "0");
         }
       },
       ": pairs: trace must have pairs"},
  };
  for (const Case& test : cases) {
    std::vector<std::string> lines = TraceLines(4);
    test.edit(&lines);
    std::string text = Joined(lines);
    if (test.name == "header cut") text.pop_back();
    std::ofstream(dir / "bad.jsonl") << text;
    bool written = true;
    EXPECT_THAT(RunOn(dir.path(), {"bad.jsonl"}, &written), HasSubstr("bad.jsonl" + test.told))
        << test.name;
    EXPECT_FALSE(written) << test.name;
  }
}

TEST(Mistakes, SmallOnesAreWarnedOfWithFileAndLine) {
  const TempDir dir;
  const std::vector<Case> cases = {
      {"zero",
       [](auto* l) { Replace(&(*l)[5], "100", "0"); },
       ":6: the denominator (prev_l1) is 0"},
      {"unsorted",
       [](auto* l) { std::swap((*l)[3], (*l)[5]); },
       ":5: calls of a run should ascend"},
      {"unknown field",
       [](auto* l) { Replace(&(*l)[3], "\"seed\"", "\"x\":1,\"seed\""); },
       ":4: unknown"},
  };
  for (const Case& test : cases) {
    std::vector<std::string> lines = TraceLines(4);
    test.edit(&lines);
    std::ofstream(dir / "odd.jsonl") << Joined(lines);
    bool written = false;
    EXPECT_THAT(RunOn(dir.path(), {"odd.jsonl"}, &written), HasSubstr("odd.jsonl" + test.told))
        << test.name;
    EXPECT_TRUE(written) << test.name;
  }
  std::string text = Joined(TraceLines(4));
  text.resize(text.size() - 20);
  std::ofstream(dir / "cut.jsonl") << text;
  bool written = false;
  EXPECT_THAT(RunOn(dir.path(), {"cut.jsonl"}, &written),
              HasSubstr("cut.jsonl:49: the last line is cut off"));
  EXPECT_TRUE(written);
  // No run is complete: fitted, but nothing to replay.
  std::vector<std::string> lines = TraceLines(1);
  lines.pop_back();
  std::ofstream(dir / "part.jsonl") << Joined(lines);
  EXPECT_THAT(RunOn(dir.path(), {"part.jsonl"}, &written),
              HasSubstr("no schedule can be replayed"));
  EXPECT_TRUE(written);
}

TEST(Mistakes, MixturesAreRefused) {
  const TempDir dir;
  std::ofstream(dir / "a.jsonl") << Joined(TraceLines(3));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::vector<std::string> lines = TraceLines(3);
    Replace(&lines[0], from, to);
    std::ofstream(dir / "b.jsonl") << Joined(lines);
    bool written = true;
    const std::string told = RunOn(dir.path(), {"a.jsonl", "b.jsonl"}, &written);
    EXPECT_FALSE(written);
    return told;
  };
  EXPECT_THAT(with("\"m\"", "\"other\""), HasSubstr("b.jsonl: must be recorded with the same"));
  EXPECT_THAT(with("\"steps\":12", "\"steps\":13"), HasSubstr("differs in steps (12 and 13)"));
  EXPECT_THAT(with("\"m\"", "\"m\""), HasSubstr("rows must be different from those of"));
  std::ofstream(dir / "c.csv") << "x,y\n1,2\n";
  bool written = true;
  EXPECT_THAT(RunOn(dir.path(), {"a.jsonl", "c.csv"}, &written),
              HasSubstr("c.csv: must be a trace as "));
  EXPECT_FALSE(written);
  EXPECT_THAT(RunOn(dir.path(), {"c.csv"}, &written), HasSubstr("c.csv: fit: pairs must be"));
  EXPECT_FALSE(written);
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(RunOn(dir.path(), {"pipe"}, &written),
              HasSubstr("pipe: must be a file but is a pipe"));
  EXPECT_FALSE(written);
}

TEST(Mistakes, AFolderThatDoesNotExistIsToldBeforeTheWork) {
  const TempDir dir;
  std::ofstream(dir / "a.jsonl") << Joined(TraceLines(3));
  FitCoeffsOptions options;
  options.input.files = {dir / "a.jsonl"};
  options.out = dir / "no/out.json";
  EXPECT_THAT([&] { RunFitCoeffs(options); },
              testing::ThrowsMessage<UserError>(HasSubstr("must be in a folder that exists")));
}

}  // namespace
}  // namespace teacache
