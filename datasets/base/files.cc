#include "datasets/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <system_error>

#include "datasets/base/error.h"
#include "datasets/base/sha256.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

std::string ErrnoText(int error) { return std::generic_category().message(error); }

// Closes a file descriptor at the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

int OpenForReading(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    ThrowUserError(path, "cannot be opened: {}", ErrnoText(errno));
  }
  struct stat status {};
  if (fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
    close(fd);
    ThrowUserError(path, "must be a file but is a folder");
  }
  return fd;
}

// Calls `consume` with the file's bytes, a block at a time.
void ForEachBlock(const std::string& path,
                  const std::function<void(const char*, size_t)>& consume) {
  const Descriptor fd(OpenForReading(path));
  std::vector<char> block(1 << 20);
  while (true) {
    const ssize_t n = read(fd.get(), block.data(), block.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      ThrowUserError(path, "cannot be read: {}", ErrnoText(errno));
    }
    if (n == 0) {
      return;
    }
    consume(block.data(), static_cast<size_t>(n));
  }
}

void SyncPath(const std::string& path) {
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 || (fsync(fd.get()) != 0 && errno != EINVAL)) {
    ThrowUserError(path, "cannot be written to disk: {}", ErrnoText(errno));
  }
}

void Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    ThrowUserError(to, "cannot be written: {}", ErrnoText(errno));
  }
}

// The entry of /proc that a path leads to, "" for none: /dev/stdout, /dev/fd/1 and /proc/self/fd/1
// are "/proc/PID/fd/1". Replacing the file behind it would lose what the shell and this program
// write there.
fs::path ProcEntry(const std::string& path) {
  fs::path at(path);
  std::error_code error;
  for (int links = 0; links < 40; ++links) {
    const fs::path folder = fs::weakly_canonical(fs::absolute(at, error).parent_path(), error);
    if (folder.string().starts_with("/proc/")) return folder / at.filename();
    if (!fs::is_symlink(fs::symlink_status(at, error))) return {};
    at = at.parent_path() / fs::read_symlink(at, error);
  }
  return {};
}

// Opens a stream for writing. A descriptor of this process is duplicated: opened again, a file
// behind it would be written from its beginning, over what is there.
int OpenStream(const std::string& path) {
  const fs::path entry = ProcEntry(path);
  if (entry.parent_path() == fmt::format("/proc/{}/fd", getpid())) {
    return fcntl(std::atoi(entry.filename().c_str()), F_DUPFD_CLOEXEC, 0);
  }
  return open(path.c_str(), O_WRONLY | O_CLOEXEC | O_APPEND);
}

bool IsMarkedFolder(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(fs::symlink_status(fs::path(path) / kFolderMarker, error));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The run of digits that begins at `from`, without its leading zeros.
std::string_view DigitsAt(std::string_view text, size_t from, size_t* end) {
  *end = from;
  while (*end < text.size() && IsDigit(text[*end])) {
    ++*end;
  }
  while (from + 1 < *end && text[from] == '0') {
    ++from;
  }
  return text.substr(from, *end - from);
}

}  // namespace

std::string UniqueTempPath(const std::string& path) {
  static thread_local std::random_device random;
  const uint64_t number = (uint64_t{random()} << 32) | random();
  const fs::path folder = fs::path(path).parent_path();
  return (folder / fmt::format(".teacache-{:016x}.tmp", number)).string();
}

std::string WithoutLinks(const std::string& path) {
  fs::path at(path);
  std::error_code error;
  for (int links = 0; fs::is_symlink(fs::symlink_status(at, error)); ++links) {
    const fs::path target = fs::read_symlink(at, error);
    if (error || links == 40) ThrowUserError(path, "must not be a loop of links");
    at = at.parent_path() / target;  // an absolute target stands alone
  }
  return at.string();
}

OutputPlace PlaceOf(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    return errno == ELOOP ? OutputPlace::kOther : OutputPlace::kNew;
  }
  if (S_ISDIR(status.st_mode)) return OutputPlace::kFolder;
  if (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode)) return OutputPlace::kStream;
  if (!S_ISREG(status.st_mode)) return OutputPlace::kOther;
  return ProcEntry(path).empty() ? OutputPlace::kFile : OutputPlace::kStream;
}

void CheckOutputFile(const std::string& path, const std::string& where) {
  const OutputPlace place = PlaceOf(path);
  if (path.ends_with('/') || place == OutputPlace::kFolder) {
    ThrowUserError(where, "must be a file but \"{}\" is a folder", path);
  }
  if (place == OutputPlace::kOther) {
    ThrowUserError(
        where, "must be a file but \"{}\" is a socket, a block device or a loop of links", path);
  }
}

PendingPath::PendingPath(std::string final_path) : final_(std::move(final_path)) {
  while (final_.size() > 1 && final_.back() == '/') {
    final_.pop_back();
  }
  final_ = WithoutLinks(final_);
  const OutputPlace place = PlaceOf(final_);
  if (place == OutputPlace::kStream || place == OutputPlace::kOther) {
    ThrowUserError(final_, "must be a file or folder, or new, but is something else");
  }
  temp_ = UniqueTempPath(final_);
}

PendingPath::~PendingPath() {
  if (!committed_) {
    std::error_code ignored;
    fs::remove_all(temp_, ignored);
  }
}

void PendingPath::Commit() {
  std::error_code no_folder;
  const bool folder = fs::is_directory(temp_, no_folder);
  if (folder) AtomicWriteFile((fs::path(temp_) / kFolderMarker).string(), std::string_view());
  SyncPath(temp_);
  const OutputPlace place = PlaceOf(final_);
  const bool is_new = place == OutputPlace::kNew;
  if (!folder) {
    if (!is_new && place != OutputPlace::kFile) CheckOutputFile(final_, final_);
    Rename(temp_, final_);
    committed_ = true;
    return;
  }
  if (!is_new && place != OutputPlace::kFolder) {
    ThrowUserError(final_, "must be a folder or new but is a file");
  }
  // rename() replaces an empty folder itself.
  if (is_new || fs::is_empty(final_, no_folder)) {
    Rename(temp_, final_);
    committed_ = true;
    return;
  }
  if (!IsMarkedFolder(final_)) {
    ThrowUserError(final_, "must be new, empty or made by this program (with {})", kFolderMarker);
  }
  const std::string old = UniqueTempPath(final_);
  Rename(final_, old);
  try {
    Rename(temp_, final_);
  } catch (const UserError&) {
    (void)rename(old.c_str(), final_.c_str());
    throw;
  }
  committed_ = true;
  std::error_code ignored;
  fs::remove_all(old, ignored);
}

void WriteAll(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      ThrowUserError(path, "cannot be written: {}", ErrnoText(errno));
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void AtomicWriteFile(const std::string& path, std::span<const std::span<const std::byte>> pieces) {
  CheckOutputFile(path, path);
  const auto write = [&](int opened) {
    const Descriptor fd(opened);
    if (fd.get() < 0) {
      ThrowUserError(path, "cannot be created: {}", ErrnoText(errno));
    }
    for (const std::span<const std::byte> piece : pieces) {
      WriteAll(fd.get(), path, {reinterpret_cast<const char*>(piece.data()), piece.size()});
    }
  };
  if (PlaceOf(path) == OutputPlace::kStream) {
    write(OpenStream(path));
    return;
  }
  PendingPath pending(path);
  write(open(pending.temp().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  pending.Commit();
}

void AtomicWriteFile(const std::string& path, std::span<const std::byte> bytes) {
  const std::span<const std::byte> pieces[] = {bytes};
  AtomicWriteFile(path, std::span<const std::span<const std::byte>>(pieces));
}

void AtomicWriteFile(const std::string& path, std::string_view bytes) {
  AtomicWriteFile(path, std::as_bytes(std::span<const char>(bytes.data(), bytes.size())));
}

std::string ReadFile(const std::string& path, uint64_t max_bytes) {
  std::string bytes;
  std::error_code no_size;  // pipes and the like have none
  const uint64_t size = fs::file_size(path, no_size);
  // With room behind the text for parsers that look ahead in blocks and would copy it otherwise.
  if (!no_size && size <= max_bytes) bytes.reserve(size + 64);
  ForEachBlock(path, [&](const char* data, size_t size) {
    if (size > max_bytes - bytes.size()) {
      ThrowUserError(path, "must have at most {} bytes but is larger", max_bytes);
    }
    bytes.append(data, size);
  });
  return bytes;
}

void MakeFolders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path)) {
    ThrowUserError(
        path, "cannot be made a folder: {}", error ? error.message() : ErrnoText(ENOTDIR));
  }
}

void CheckFolderOf(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  std::error_code error;
  if (!folder.empty() && !fs::is_directory(folder, error)) {
    ThrowUserError(path, "must be in a folder that exists but \"{}\" is none", folder.string());
  }
}

bool NaturalLess(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (IsDigit(a[i]) && IsDigit(b[j])) {
      const std::string_view x = DigitsAt(a, i, &i);
      const std::string_view y = DigitsAt(b, j, &j);
      if (x != y) {
        return x.size() != y.size() ? x.size() < y.size() : x < y;
      }
      continue;
    }
    if (a[i] != b[j]) {
      return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
    }
    ++i;
    ++j;
  }
  const size_t rest_a = a.size() - i, rest_b = b.size() - j;
  // Equal but for leading zeros: fewer zeros first, so that no two different names are equal.
  return rest_a != rest_b ? rest_a < rest_b : (a.size() != b.size() ? a.size() < b.size() : a < b);
}

std::vector<std::string> ListFolder(const std::string& path) {
  std::error_code error;
  fs::directory_iterator entries(path, error);
  if (error) {
    ThrowUserError(path, "cannot be listed: {}", error.message());
  }
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with('.')) {
      names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end(), NaturalLess);
  return names;
}

std::string Sha256Hex(std::span<const uint8_t> bytes) {
  Sha256 sha;
  sha.Update(bytes.data(), bytes.size());
  return sha.Hex();
}

std::string Sha256Hex(std::string_view bytes) {
  return Sha256Hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

std::string Sha256HexOfFile(const std::string& path) {
  Sha256 sha;
  ForEachBlock(path, [&](const char* data, size_t size) { sha.Update(data, size); });
  return sha.Hex();
}

}  // namespace teacache
