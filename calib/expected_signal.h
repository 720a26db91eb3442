#pragma once

#include <string>

namespace teacache {

// What an engine's code compares from call to call for a model, as SignalKind: from the published
// sets, whose engines do the same, and from the engines that look at the time embedding only. ""
// where it is not known. `format` is the name of an emitted format.
std::string ExpectedSignal(const std::string& format, const std::string& model);

// One sentence where the recorded signal is another one than the engine looks at; "" otherwise.
std::string SignalMismatch(const std::string& format,
                           const std::string& model,
                           const std::string& modulated);

}  // namespace teacache
