#pragma once

#include <exception>
#include <sstream>
#include <string>

namespace teacache {

// The line of LibTorch's long messages that says what is wrong: the last one of a traceback,
// otherwise the first.
inline std::string TorchReason(const std::exception& error) {
  const std::string message = error.what();
  std::string first, last;
  std::istringstream lines(message);
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (line.starts_with("Exception raised from")) break;
    if (first.empty()) first = line;
    last = line;
  }
  return message.find("Traceback") == std::string::npos ? first : last;
}

}  // namespace teacache
