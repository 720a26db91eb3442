#include "tests/e2e/programs.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "datasets/base/files.h"
#include "tests/support/shapes_weights.h"

namespace teacache {

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
