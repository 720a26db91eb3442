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
  // What the script of RunInPage returned, as JSON; "" when it did not get that far.
  std::string result;
};

// Opens `path` (a file) with `hash` after '#', lets `seconds` of the page's time pass.
LoadedPage OpenPage(const std::string& path, const std::string& hash, int seconds = 10);

// The same, and when the page is ready (data-ready="yes"), `script` runs in it: the body of an
// asynchronous function, with pause(ms) to let the page react. It
// is put into the file at `path`, so the page must allow scripts in it. Where the script does not
// come to its end, and nothing is in the console, it is tried with more time.
LoadedPage RunInPage(const std::string& path,
                     const std::string& hash,
                     const std::string& script,
                     int seconds = 20);

// How many sheets of paper the page takes, printed as PDF with the browser's default paper; 0 = it
// could not be printed.
int SheetsOf(const std::string& path, const std::string& hash, int seconds = 20);

}  // namespace teacache
