#pragma once

#include <string>

namespace teacache {

// The text of a piece of HTML as BeautifulSoup(markup, "html.parser").text gives it: tags,
// comments, declarations and the contents of script, style, template, rt and rp left out, character
// references resolved, broken markup kept as text the way Python's html.parser keeps it.
std::u16string HtmlText(const std::u16string& markup);

// Python's html.unescape(): all character references of HTML 5, with and without semicolon.
std::u16string HtmlUnescape(const std::u16string& text);

// The text of a numeric reference, given as "38" or "x26".
std::u16string HtmlNumber(const std::u16string& number);

// The text of a named reference ("amp;", "amp" where HTML allows it), or nullptr.
const std::u16string* FindHtmlEntity(const std::u16string& name);

}  // namespace teacache
