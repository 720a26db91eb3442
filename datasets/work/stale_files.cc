#include "datasets/work/stale_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <regex>
#include <system_error>
#include <vector>

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::hours kStale{1};

bool IsLocked(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return true;
  const bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
  close(fd);
  return locked;
}

}  // namespace

void RemoveStaleTemporaries(const std::string& folder) {
  static const std::regex kTemporary(R"(\.teacache-[0-9a-f]{16}\.tmp)");
  std::error_code error;
  std::vector<fs::path> stale;
  fs::directory_iterator entries(folder.empty() ? "." : folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (!std::regex_match(entries->path().filename().string(), kTemporary)) continue;
    std::error_code no_time;
    const fs::file_time_type changed = entries->last_write_time(no_time);
    if (no_time || fs::file_time_type::clock::now() - changed < kStale) continue;
    if (!entries->is_symlink(no_time) && !IsLocked(entries->path())) {
      stale.push_back(entries->path());
    }
  }
  for (const fs::path& path : stale) fs::remove_all(path, error);
}

}  // namespace teacache
