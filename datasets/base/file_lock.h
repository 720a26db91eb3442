#pragma once

#include <string>

namespace teacache {

// Takes the lock of a file that is open as `fd`, so that only one process appends to it; it ends
// when `fd` is closed. Throws UserError where another process holds it. File systems without locks
// have none.
void LockFile(int fd, const std::string& path);

// Keeps a file that is replaced as a whole, again and again, to one process: from the constructor
// to the destructor a second FileInUse of the same path throws UserError. What is locked is a
// hidden file beside it, ".NAME.lock", which is removed at the end; one left by a killed process
// does no harm. The folder must exist.
class FileInUse {
 public:
  explicit FileInUse(const std::string& path);
  ~FileInUse();
  FileInUse(const FileInUse&) = delete;
  FileInUse& operator=(const FileInUse&) = delete;

 private:
  std::string lock_;
  int fd_ = -1;
};

}  // namespace teacache
