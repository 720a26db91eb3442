#pragma once

#include <string_view>

namespace teacache {

// Files that are part of the program (cmake/Embed.cmake) and go into every page.
std::string_view PlotlyScript();  // plotly.js, minified, with its licence in the first lines
std::string_view PageScript();    // reports/page/report.js
std::string_view PageStyle();     // reports/page/report.css

// "4.1.1", as the first lines of plotly.js say; "" when they do not.
std::string_view PlotlyVersion();

}  // namespace teacache
