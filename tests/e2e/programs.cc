#include "tests/e2e/programs.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "datasets/files.h"
#include "tests/support/shapes_weights.h"

namespace teacache {

namespace fs = std::filesystem;

ProcessResult RunTool(const std::string& program,
                      const std::vector<std::string>& arguments,
                      const ProcessOptions& options) {
  std::vector<std::string> argv = {std::string(TEACACHE_BIN_DIR) + "/" + program};
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

std::vector<std::string> TraceWithoutTimes(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream stream(ReadFile(path));
  for (std::string line; std::getline(stream, line);) {
    nlohmann::json row = nlohmann::json::parse(line);
    for (const char* field : {"ms_embed", "ms_blocks", "ms_head"}) row.erase(field);
    lines.push_back(row.dump());
  }
  return lines;
}

const std::string& ProgramTest::Weights() {
  static const TempDir folder;
  static const std::string path = [] {
    WriteTinyShapesWeights(folder.path().string());
    return folder.path().string();
  }();
  return path;
}

std::string ProgramTest::WritePrompts(const std::string& name,
                                      const std::vector<std::string>& prompts) const {
  std::string text;
  for (const std::string& prompt : prompts) text += prompt + "\n";
  AtomicWriteFile(folder_ / name, text);
  return folder_ / name;
}

}  // namespace teacache
