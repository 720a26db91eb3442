#pragma once

#include <string>
#include <vector>

namespace teacache {

// A headless Chromium for tests of pages.

// The program ($CHROMIUM, else chromium, chromium-browser, google-chrome in PATH); "" = none.
std::string FindChromium();

struct LoadedPage {
  std::string dom;  // the document after its scripts ran, as HTML
  std::vector<std::string>
      messages;     // what the page wrote to the console, uncaught errors included
  std::string log;  // all of the browser's own output
};

// Opens `path` (a file) with `hash` after '#', lets `seconds` of the page's time pass.
LoadedPage OpenPage(const std::string& path, const std::string& hash, int seconds = 10);

}  // namespace teacache
