#pragma once

#include <exception>
#include <string>

namespace teacache {

// Throws UserError saying which part ran out of memory and what to try, if that is what `error`
// says (of the CPU or of a GPU); returns otherwise.
void ThrowIfOutOfMemory(const std::string& part, const std::exception& error);

// Makes LibTorch throw when there is no memory. A flag of it says whether to abort instead; its
// default is to throw, but programs that also link SentencePiece were seen with the flag set.
void ThrowRatherThanAbort();

// work(), with lack of memory reported as the part's.
template <typename Work>
auto NamingPart(const std::string& part, const Work& work) {
  ThrowRatherThanAbort();
  try {
    return work();
  } catch (const std::exception& error) {
    ThrowIfOutOfMemory(part, error);
    throw;
  }
}

}  // namespace teacache
