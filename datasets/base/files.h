#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace teacache {

// A path for an unfinished version of `path`: hidden, in the same folder (so that a rename is
// atomic), different for every call, process and machine. Nothing is created.
std::string UniqueTempPath(const std::string& path);

// The path that a symbolic link leads to in the end, existing or not; other paths as they are.
// Throws UserError for a loop.
std::string WithoutLinks(const std::string& path);

// What stands at an output path, symbolic links followed.
enum class OutputPlace {
  kNew,     // nothing yet, or a link to nothing
  kFile,    // a regular file: it may be replaced
  kStream,  // a character device, a pipe, or an open descriptor (/dev/stdout): written, not
            // replaced
  kFolder,
  kOther,  // a socket or a block device
};
OutputPlace PlaceOf(const std::string& path);

// Throws UserError "where must be a file but "path" is a folder" unless an output file may be
// written to `path`.
void CheckOutputFile(const std::string& path, const std::string& where);

// The name of the file that marks a folder as one of ours, which may be replaced as a whole.
inline constexpr const char* kFolderMarker = ".teacache-folder";

// An output file or folder under construction: write to temp(), then Commit() puts it in its place
// in one step. Without Commit() the destructor removes what was written, so an interrupted or
// failed run leaves either the old file or the new one, never half of one.
// A file replaces a regular file only. A folder replaces an empty folder or one with kFolderMarker.
// Nothing else is ever removed. A symbolic link stays: what it leads to is replaced.
class PendingPath {
 public:
  // Throws UserError where `final_path` is something that cannot be replaced.
  explicit PendingPath(std::string final_path);
  ~PendingPath();
  PendingPath(const PendingPath&) = delete;
  PendingPath& operator=(const PendingPath&) = delete;

  const std::string& temp() const { return temp_; }
  const std::string& final_path() const { return final_; }
  // Flushes to disk and renames; a folder gets its marker before. Throws UserError.
  void Commit();

 private:
  std::string final_;
  std::string temp_;
  bool committed_ = false;
};

// Writes a whole file through PendingPath, or directly into a stream (see OutputPlace). Parent
// folders must exist. Throws UserError.
void AtomicWriteFile(const std::string& path, std::string_view bytes);
void AtomicWriteFile(const std::string& path, std::span<const std::byte> bytes);

// Several pieces one after the other, as one file.
void AtomicWriteFile(const std::string& path, std::span<const std::span<const std::byte>> pieces);

// The bytes of a file. Throws UserError when it cannot be read or is larger than `max_bytes`.
std::string ReadFile(const std::string& path, uint64_t max_bytes = uint64_t{1} << 30);

// Writes all of `bytes` to a file descriptor, again after interruptions; throws UserError naming
// `path` (disk full, no space for this user, ...).
void WriteAll(int fd, const std::string& path, std::string_view bytes);

// Creates the folder and its parents; throws UserError when that is impossible.
void MakeFolders(const std::string& path);

// Throws UserError unless the folder that a file is to be written to exists; "" is no file. Asked
// before long work, so that nothing is refused at its end.
void CheckFolderOf(const std::string& path);

// Order for names with numbers: "a2" < "a10", "2" < "02" only as a tie-break. Bytes otherwise; a
// strict weak order for any strings.
bool NaturalLess(std::string_view a, std::string_view b);

// Names (not paths) of what lies in a folder, hidden files left out, in natural order.
std::vector<std::string> ListFolder(const std::string& path);

// SHA-256 as 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);
std::string Sha256Hex(std::span<const uint8_t> bytes);
std::string Sha256HexOfFile(const std::string& path);

}  // namespace teacache
