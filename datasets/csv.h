#pragma once

#include <string>
#include <string_view>

namespace teacache {

// A field of a CSV file (RFC 4180): in quotes where it holds a comma, a quote or a line's end.
std::string CsvField(std::string_view text);

}  // namespace teacache
