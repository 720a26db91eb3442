#include "datasets/base/program.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

// The exit code of a program that runs `run` with `out` as standard output ("" = closed).
int ExitCodeWith(const std::string& out,
                 const std::vector<const char*>& more,
                 const std::function<int()>& run) {
  std::fflush(stdout);  // or the child would write it, too
  const pid_t child = fork();
  if (child == 0) {
    close(STDOUT_FILENO);
    if (!out.empty() && open(out.c_str(), O_WRONLY) != STDOUT_FILENO) _exit(99);
    CLI::App app("Tries", "try");
    std::vector<const char*> arguments = {"try"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    _exit(RunProgram(&app, static_cast<int>(arguments.size()), arguments.data(), run));
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(OneLine, EscapesWhatATerminalObeys) {
  EXPECT_EQ(OneLine("plain: \"ä 中 😀\""), "plain: \"ä 中 😀\"");
  EXPECT_EQ(OneLine("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(OneLine("\x1b[2J\x07\x7f"), "\\x1b[2J\\x07\\x7f");
  EXPECT_EQ(OneLine("\xC2\x9B"
                    "31m"),
            "\\x9b31m");
  EXPECT_EQ(OneLine("caf\xe9 \xff\xC3"), "caf\\xe9 \\xff\\xc3");
  EXPECT_EQ(OneLine(std::string("a\0b", 3)), "a\\x00b");
}

TEST(OneLine, LeavesOutTheMiddleOfLongTexts) {
  const std::string line = OneLine("begin " + std::string(5000, 'x') + " end", 90);
  EXPECT_LE(line.size(), 96u);
  EXPECT_TRUE(line.starts_with("begin xxx"));
  EXPECT_TRUE(line.ends_with("xxx end"));
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "ä";
  const std::string cut = OneLine(wide, 31);
  for (size_t i = 0; i < cut.size();) {
    const size_t length = Utf8Length(std::string_view(cut).substr(i));
    ASSERT_GT(length, 0u);  // no half characters
    i += length;
  }
}

TEST(CommandText, IsWhatDecidesAboutOutputs) {
  const auto text = [](const std::vector<const char*>& flags) {
    CLI::App app("Tries", "try");
    OutputOwner owner;
    std::vector<std::string> files;
    std::string out;
    int jobs = 1;
    app.add_option("files", files);
    app.add_option("--out", out);
    app.add_option("--jobs", jobs);
    AddOverwriteFlag(&app, &owner);
    std::vector<const char*> arguments = {"try"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    app.parse(static_cast<int>(arguments.size()), arguments.data());
    return owner.command;
  };
  const std::string one = text({"a", "b"});
  EXPECT_NE(one, "");
  EXPECT_EQ(text({"--out", "x", "a", "b", "--jobs=4", "--overwrite"}), one);
  EXPECT_NE(text({"a b"}), one);
  EXPECT_NE(text({"b", "a"}), one);
}

TEST(RunProgram, OutputThatIsLostIsAnError) {
  const auto print = [] {
    fmt::print("result\n");
    return 0;
  };
  const auto print_much = [] {
    fmt::print("{}", std::string(1 << 20, 'x'));
    return 0;
  };
  const auto stream = [] {
    std::cout << "result\n";
    return 0;
  };
  EXPECT_EQ(ExitCodeWith("/dev/null", {}, print), 0);
  for (const char* lost : {"/dev/full", ""}) {
    EXPECT_EQ(ExitCodeWith(lost, {}, print), 1) << lost;
    EXPECT_EQ(ExitCodeWith(lost, {}, print_much), 1) << lost;
    EXPECT_EQ(ExitCodeWith(lost, {}, stream), 1) << lost;
    EXPECT_EQ(ExitCodeWith(lost, {"--help"}, print), 1) << lost;
    EXPECT_EQ(ExitCodeWith(lost, {"--version"}, print), 1) << lost;
    EXPECT_EQ(ExitCodeWith(lost, {}, [] { return 0; }), 0) << lost;  // nothing is lost
    EXPECT_EQ(ExitCodeWith(lost,
                           {},
                           []() -> int {
                             fmt::print("result\n");
                             ThrowUserError("x", "must be y");
                           }),
              2)
        << lost;
  }
  EXPECT_EQ(ExitCodeWith("/dev/null", {"--help"}, print), 0);
  EXPECT_EQ(ExitCodeWith("/dev/null", {"--none"}, print), 2);
}

// The first file that a program opens must not become its standard output.
TEST(RunProgram, AClosedOutputDoesNotEndUpInAFile) {
  const TempDir dir;
  EXPECT_EQ(ExitCodeWith("",
                         {},
                         [&] {
                           const int fd = open((dir / "a").c_str(), O_WRONLY | O_CREAT, 0600);
                           fmt::print("result\n");
                           std::fflush(stdout);
                           close(fd);
                           return 0;
                         }),
            1);
  EXPECT_EQ(ReadFile(dir / "a"), "");
}

}  // namespace
}  // namespace teacache
