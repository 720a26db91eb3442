#include "tests/support/chromium.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

bool InPath(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::stringstream folders(path ? path : "");
  std::string folder;
  while (std::getline(folders, folder, ':')) {
    if (std::filesystem::is_regular_file(std::filesystem::path(folder) / program)) return true;
  }
  return false;
}

// Text of an attribute as the browser writes it.
std::string Unescaped(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kEntities = {
      {{"&quot;", "\""}, {"&lt;", "<"}, {"&gt;", ">"}, {"&nbsp;", "\u00a0"}, {"&amp;", "&"}}};
  for (const auto& [entity, character] : kEntities) {
    for (size_t at = text.find(entity); at != std::string::npos;
         at = text.find(entity, at + character.size())) {
      text.replace(at, entity.size(), character);
    }
  }
  return text;
}

std::string ResultOf(const std::string& dom) {
  constexpr std::string_view kMark = "data-result=\"";
  const size_t from = dom.find(kMark);
  if (from == std::string::npos) return "";
  const size_t start = from + kMark.size();
  return Unescaped(dom.substr(start, dom.find('"', start) - start));
}

// Loads the page, with `what` to do then. Everything is quoted for the shell; paths of tests hold
// no single quotes.
LoadedPage Browse(const std::string& what,
                  const std::string& path,
                  const std::string& hash,
                  int seconds) {
  const TempDir profile;
  const TempDir output;
  const std::string command = fmt::format(
      "timeout 120 '{}' --headless=new --no-sandbox --disable-gpu --no-first-run --mute-audio "
      "--disable-dev-shm-usage --disable-background-networking --user-data-dir='{}' "
      "--window-size=1280,4000 --virtual-time-budget={} --enable-logging=stderr {} "
      "'file://{}#{}' > '{}' 2> '{}'",
      FindChromium(),
      profile.path().string(),
      seconds * 1000,
      what,
      path,
      hash,
      output / "dom",
      output / "log");
  LoadedPage page;
  if (std::system(command.c_str()) == 0) page.dom = ReadFile(output / "dom");
  page.result = ResultOf(page.dom);
  page.log = ReadFile(output / "log");
  std::stringstream lines(page.log);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.find("CONSOLE") != std::string::npos) page.messages.push_back(line);
  }
  return page;
}

}  // namespace

std::string FindChromium() {
  if (const char* given = std::getenv("CHROMIUM")) return given;
  for (const char* program : {"chromium", "chromium-browser", "google-chrome"}) {
    if (InPath(program)) return program;
  }
  return "";
}

LoadedPage OpenPage(const std::string& path, const std::string& hash, int seconds) {
  return Browse("--dump-dom", path, hash, seconds);
}

LoadedPage RunInPage(const std::string& path,
                     const std::string& hash,
                     const std::string& script,
                     int seconds) {
  std::string html = ReadFile(path);
  const size_t end = html.rfind("</body>");
  if (end == std::string::npos) return {};
  html.insert(end,
              "<script>(async () => {\n"
              "const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });\n"
              "const page = document.documentElement;\n"
              "while (page.dataset.ready !== 'yes') await pause(20);\n"
              "const result = await (async () => {\n" +
                  script +
                  "\n})();\npage.dataset.result = JSON.stringify(result);\n})();</script>\n");
  AtomicWriteFile(path, html);
  // The page's time leaps ahead while the browser draws or encodes pictures in its own time: on a
  // busy machine it can be over before the script is.
  LoadedPage page = OpenPage(path, hash, seconds);
  for (int longer = 4; longer <= 16 && page.result.empty() && page.messages.empty(); longer *= 4) {
    page = OpenPage(path, hash, seconds * longer);
  }
  return page;
}

int SheetsOf(const std::string& path, const std::string& hash, int seconds) {
  const TempDir folder;
  const std::string pdf = folder / "page.pdf";
  Browse("--no-pdf-header-footer --print-to-pdf='" + pdf + "'", path, hash, seconds);
  if (!std::filesystem::exists(pdf)) return 0;
  const std::string bytes = ReadFile(pdf);
  constexpr std::string_view kSheet = "/Type /Page\n";
  int sheets = 0;
  for (size_t at = bytes.find(kSheet); at != std::string::npos; at = bytes.find(kSheet, at + 1)) {
    ++sheets;
  }
  return sheets;
}

}  // namespace teacache
