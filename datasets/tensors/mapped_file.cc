#include "datasets/tensors/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "datasets/base/error.h"

namespace teacache {

MappedFile::MappedFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    ThrowUserError(path, "cannot be opened: {}", std::generic_category().message(errno));
  }
  struct stat status {};
  const bool is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  size_ = is_file ? static_cast<size_t>(status.st_size) : 0;
  if (size_ > 0) {
    data_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  }
  const int error = errno;
  close(fd);
  if (!is_file) ThrowUserError(path, "must be a file but is not");
  if (data_ == MAP_FAILED) {
    ThrowUserError(path, "cannot be mapped: {}", std::generic_category().message(error));
  }
}

MappedFile::~MappedFile() {
  if (size_ > 0 && data_ != MAP_FAILED) munmap(data_, size_);
}

}  // namespace teacache
