#pragma once

#include <sys/file.h>

#include <cerrno>
#include <string>

#include "datasets/base/error.h"

namespace teacache {

// Takes the lock of a file that is open as `fd`, so that only one process appends to it; it ends
// when `fd` is closed. Throws UserError where another process holds it. File systems without locks
// have none.
inline void LockFile(int fd, const std::string& path) {
  if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ThrowUserError(path, "must not be in use but another process holds it");
  }
}

}  // namespace teacache
