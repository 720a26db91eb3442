#include "tests/reports/chromium.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "datasets/files.h"
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

}  // namespace

std::string FindChromium() {
  if (const char* given = std::getenv("CHROMIUM")) return given;
  for (const char* program : {"chromium", "chromium-browser", "google-chrome"}) {
    if (InPath(program)) return program;
  }
  return "";
}

LoadedPage OpenPage(const std::string& path, const std::string& hash, int seconds) {
  const TempDir profile;
  const TempDir output;
  // Everything is quoted for the shell; paths of tests hold no single quotes.
  const std::string command = fmt::format(
      "timeout 120 '{}' --headless=new --no-sandbox --disable-gpu --no-first-run --mute-audio "
      "--disable-dev-shm-usage --disable-background-networking --user-data-dir='{}' "
      "--window-size=1280,4000 --virtual-time-budget={} --enable-logging=stderr --dump-dom "
      "'file://{}#{}' > '{}' 2> '{}'",
      FindChromium(),
      profile.path().string(),
      seconds * 1000,
      path,
      hash,
      output / "dom",
      output / "log");
  LoadedPage page;
  if (std::system(command.c_str()) == 0) page.dom = ReadFile(output / "dom");
  page.log = ReadFile(output / "log");
  std::stringstream lines(page.log);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.find("CONSOLE") != std::string::npos) page.messages.push_back(line);
  }
  return page;
}

}  // namespace teacache
