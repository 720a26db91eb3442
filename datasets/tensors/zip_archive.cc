#include "datasets/tensors/zip_archive.h"

#include "datasets/base/error.h"

namespace teacache {

Bytes ZipArchive::Read(const ZipEntry& entry) const {
  if (!entry.plain) Refuse("an entry that is needed is compressed or encrypted");
  Cursor cursor = At(entry.header);
  if (cursor.Number<uint32_t>() != 0x04034b50) Refuse("an entry has no header");
  cursor.Take(22);
  const uint16_t name = cursor.Number<uint16_t>(), extra = cursor.Number<uint16_t>();
  cursor.Take(uint64_t{name} + extra);
  return cursor.Take(entry.size);
}

void ZipArchive::Refuse(const std::string& what) const {
  ThrowUserError(where_, "must be a zip file by torch.save but {}", what);
}

Cursor ZipArchive::At(uint64_t position) const {
  if (position > bytes_.size()) Refuse("its directory points outside of the file");
  return Cursor(bytes_, where_, position);
}

void ZipArchive::ReadDirectory() {
  constexpr size_t kEnd = 22;  // bytes of the record at the end, before its comment
  if (bytes_.size() < kEnd) Refuse("is too short");
  size_t end = bytes_.size() - kEnd;
  const size_t first = end > 65535 ? end - 65535 : 0;
  while (end > first && At(end).Number<uint32_t>() != 0x06054b50) --end;
  Cursor record = At(end);
  if (record.Number<uint32_t>() != 0x06054b50) Refuse("its end is missing (cut off?)");
  record.Take(6);
  uint64_t count = record.Number<uint16_t>();
  record.Take(4);
  uint64_t directory = record.Number<uint32_t>();
  if ((count == 0xffff || directory == 0xffffffff) && end >= 20) {
    Cursor locator = At(end - 20);
    if (locator.Number<uint32_t>() != 0x07064b50) Refuse("its 64-bit directory is missing");
    locator.Take(4);
    Cursor wide = At(locator.Number<uint64_t>());
    if (wide.Number<uint32_t>() != 0x06064b50) Refuse("its 64-bit directory is missing");
    wide.Take(28);
    count = wide.Number<uint64_t>();
    wide.Take(8);
    directory = wide.Number<uint64_t>();
  }
  Cursor cursor = At(directory);
  for (uint64_t i = 0; i < count; ++i) ReadEntry(&cursor);
}

void ZipArchive::ReadEntry(Cursor* cursor) {
  if (cursor->Number<uint32_t>() != 0x02014b50) Refuse("its directory is damaged");
  cursor->Take(4);
  const uint16_t flags = cursor->Number<uint16_t>();
  const uint16_t method = cursor->Number<uint16_t>();
  cursor->Take(8);
  uint64_t packed = cursor->Number<uint32_t>();
  ZipEntry entry;
  entry.size = cursor->Number<uint32_t>();
  const uint16_t name_size = cursor->Number<uint16_t>();
  const uint16_t extra_size = cursor->Number<uint16_t>();
  const uint16_t comment_size = cursor->Number<uint16_t>();
  cursor->Take(8);
  entry.header = cursor->Number<uint32_t>();
  const std::string name = cursor->Text(name_size);
  Cursor extra(cursor->Take(extra_size), where_);
  cursor->Take(comment_size);
  while (!extra.AtEnd()) {
    const uint16_t id = extra.Number<uint16_t>();
    Cursor field(extra.Take(extra.Number<uint16_t>()), where_);
    if (id != 1) continue;
    if (entry.size == 0xffffffff) entry.size = field.Number<uint64_t>();
    if (packed == 0xffffffff) packed = field.Number<uint64_t>();
    if (entry.header == 0xffffffff) entry.header = field.Number<uint64_t>();
  }
  entry.plain = method == 0 && packed == entry.size && (flags & 1) == 0;
  if (!entries_.emplace(name, entry).second) {
    Refuse(fmt::format("\"{}\" appears twice", name));
  }
}

}  // namespace teacache
