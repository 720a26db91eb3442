#include "tests/architecture/source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace teacache {
namespace {

// Comments become spaces; line numbers stay. Good enough for sources that have no "/*" in strings.
std::string WithoutComments(const std::string& source) {
  std::string text = source;
  size_t at = 0;
  while (at + 1 < text.size()) {
    const bool block = text.compare(at, 2, "/*") == 0;
    const bool line = text.compare(at, 2, "//") == 0;
    if (!block && !line) {
      ++at;
      continue;
    }
    const size_t found = text.find(block ? "*/" : "\n", at + 2);
    const size_t end = found == std::string::npos ? text.size() : found + (block ? 2 : 0);
    for (; at < end; ++at) {
      if (text[at] != '\n') text[at] = ' ';
    }
  }
  return text;
}

}  // namespace

std::vector<IncludeLine> ParseIncludes(const std::string& source) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<IncludeLine> includes;
  std::stringstream lines(WithoutComments(source));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (std::regex_search(line, match, kInclude)) {
      includes.push_back({number, match[1] == "<", match[2]});
    }
  }
  return includes;
}

bool SourceFile::is_header() const { return path.ends_with(".h") || path.ends_with(".cuh"); }

std::vector<SourceFile> ReadSourceTree(const std::string& root) {
  std::vector<SourceFile> files;
  for (const char* folder : {"calib", "datasets", "metrics", "reports", "runners"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(std::filesystem::path(root) / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cc" && extension != ".cu" && extension != ".cuh")
        continue;
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      SourceFile file;
      file.path = std::filesystem::relative(entry.path(), root).generic_string();
      file.folder = folder;
      file.text = WithoutComments(text.str());
      file.includes = ParseIncludes(text.str());
      files.push_back(std::move(file));
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

}  // namespace teacache
