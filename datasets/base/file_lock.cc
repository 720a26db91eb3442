#include "datasets/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "datasets/base/error.h"

namespace teacache {
namespace {

// Whether `fd` is the file that stands at `path` now: its last holder may have removed it between
// our open() and the lock.
bool StandsAt(int fd, const std::string& path) {
  struct stat open_file;
  struct stat named;
  return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

}  // namespace

void LockFile(int fd, const std::string& path) {
  if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ThrowUserError(path, "must not be in use but another process holds it");
  }
}

FileInUse::FileInUse(const std::string& path) {
  const std::filesystem::path file(path);
  lock_ = (file.parent_path() / ("." + file.filename().string() + ".lock")).string();
  while (true) {
    fd_ = open(lock_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd_ < 0)
      ThrowUserError(path, "cannot be locked: {}", std::generic_category().message(errno));
    try {
      LockFile(fd_, path);
    } catch (...) {
      close(fd_);
      throw;
    }
    if (StandsAt(fd_, lock_)) return;
    close(fd_);
  }
}

FileInUse::~FileInUse() {
  unlink(lock_.c_str());
  close(fd_);
}

}  // namespace teacache
