#pragma once

#include <string>

namespace teacache {

// The repairs of ftfy.fix_text() (version 6.3): character references, text that was decoded with
// the wrong character set, ligatures, full-width forms, curly quotes, line breaks, control
// characters, normal form C. Whether text is broken is judged by a shorter list of unlikely
// neighbours than ftfy's: the ones of Latin-1 and Windows-1252.
std::u16string RepairText(const std::u16string& text);

}  // namespace teacache
