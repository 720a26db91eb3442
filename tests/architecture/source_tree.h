#pragma once

#include <string>
#include <vector>

namespace teacache {

// Sources as text, for tests of rules that the compiler does not know.

struct IncludeLine {
  int line = 0;        // 1-based
  bool angle = false;  // <...> or "..."
  std::string path;
};

// The #include lines of C++ or CUDA source, comments left out.
std::vector<IncludeLine> ParseIncludes(const std::string& source);

struct SourceFile {
  std::string path;    // relative to the repository, with '/'
  std::string folder;  // its first part: "datasets", ...
  std::string text;
  std::vector<IncludeLine> includes;

  bool is_header() const;
};

// Every .h, .cc, .cu and .cuh below the five source folders, in order of path.
std::vector<SourceFile> ReadSourceTree(const std::string& root);

}  // namespace teacache
