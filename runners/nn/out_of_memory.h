#pragma once

#include <exception>
#include <string>

namespace teacache {

// Throws UserError saying which part ran out of memory and what to try, if that is what `error`
// says (of the CPU or of a GPU); returns otherwise.
void ThrowIfOutOfMemory(const std::string& part, const std::exception& error);

// work(), with lack of memory reported as the part's.
template <typename Work>
auto NamingPart(const std::string& part, const Work& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    ThrowIfOutOfMemory(part, error);
    throw;
  }
}

}  // namespace teacache
