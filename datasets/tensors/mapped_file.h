#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace teacache {

// A whole file in memory, read from the disk when touched. The mapping is private (copy on write):
// writing through it never changes the file.
class MappedFile {
 public:
  // Throws UserError when `path` is no readable file.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace teacache
