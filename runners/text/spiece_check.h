#pragma once

#include <string>
#include <string_view>

namespace teacache {

// What is wrong with the character tables of a SentencePiece model, or "". The library itself
// follows their offsets without looking where they lead, so a damaged file would make it read
// anywhere. Everything else of a model it checks.
std::string FindSpieceDamage(std::string_view model);

}  // namespace teacache
