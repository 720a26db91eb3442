#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "datasets/tensors/byte_cursor.h"

namespace teacache {

struct ZipEntry {
  uint64_t header = 0;  // position of the local header
  uint64_t size = 0;
  bool plain = true;  // neither compressed nor encrypted
};

// Names and places of the files in a zip archive without compression (APPNOTE.TXT 6.3, 4.3), as
// torch.save writes them. `bytes` and `where`, which starts the messages, must outlive it. Throws
// UserError for a damaged archive.
class ZipArchive {
 public:
  ZipArchive(Bytes bytes, const std::string& where) : bytes_(bytes), where_(where) {
    ReadDirectory();
  }

  const std::map<std::string, ZipEntry>& entries() const { return entries_; }
  Bytes Read(const ZipEntry& entry) const;

 private:
  [[noreturn]] void Refuse(const std::string& what) const;
  Cursor At(uint64_t position) const;
  void ReadDirectory();
  void ReadEntry(Cursor* cursor);

  Bytes bytes_;
  const std::string& where_;
  std::map<std::string, ZipEntry> entries_;
};

}  // namespace teacache
