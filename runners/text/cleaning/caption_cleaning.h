#pragma once

#include <string>

namespace teacache {

// What the pipelines of Latte, Open-Sora and Open-Sora-Plan do to a prompt before it is tokenized
// (the caption filter of DeepFloyd IF and PixArt: lower case; addresses, tags, file names, codes
// and odd punctuation taken out), applied twice as they do. Text is UTF-8; bytes that are not
// become U+FFFD. Equal to the reference (Python 3.11, BeautifulSoup with html.parser, ftfy) up to
// what mojibake.h leaves out.
std::string CleanCaption(const std::string& text);

// One application.
std::string CleanCaptionOnce(const std::string& text);

}  // namespace teacache
