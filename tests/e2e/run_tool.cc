#include "tests/e2e/run_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "datasets/base/files.h"
#include "tests/support/paths.h"

namespace teacache {

namespace fs = std::filesystem;

ProcessResult RunTool(const std::string& program,
                      const std::vector<std::string>& arguments,
                      const ProcessOptions& options) {
  std::vector<std::string> argv = {BinDir() + "/" + program};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  ProcessResult result = RunProcess(argv, options);
  EXPECT_FALSE(result.timed_out) << program;
  return result;
}

void ExpectMistake(const ProcessResult& result, const std::vector<std::string>& texts) {
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.ErrLines().size(), 1u) << result.err;
  for (const std::string& text : texts) EXPECT_THAT(result.err, ::testing::HasSubstr(text));
  EXPECT_THAT(result.err, ::testing::Not(::testing::HasSubstr("unexpected failure")));
}

std::map<std::string, std::string> FilesIn(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && !name.starts_with('.')) {
      files[name] = ReadFile(entry.path().string());
    }
  }
  return files;
}

}  // namespace teacache
