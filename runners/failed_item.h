#pragma once

#include <cstdint>
#include <exception>
#include <string>

namespace teacache {

// A prompt and seed that could not be made. The run goes on without it.
struct FailedItem {
  std::string prompt;
  int64_t seed = 0;
  std::string error;
};

// Runs work(); the text of the exception that it threw, or "".
template <typename Work>
std::string ErrorOfWork(const Work& work) {
  try {
    work();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace teacache
