#include "runners/text/spiece_check.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace teacache {
namespace {

// Fields of a protocol buffer message (https://protobuf.dev/programming-guides/encoding).
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  struct Field {
    uint64_t number = 0;
    std::string_view bytes;  // of fields with a length; empty for numbers
  };
  // The next field; nothing at the end or where the message is damaged.
  std::optional<Field> Next() {
    const auto tag = Varint();
    if (!tag) return std::nullopt;
    Field field{*tag >> 3, {}};
    switch (*tag & 7) {
      case 0:
        return Varint() ? std::optional(field) : std::nullopt;
      case 1:
        return Skip(8) ? std::optional(field) : std::nullopt;
      case 5:
        return Skip(4) ? std::optional(field) : std::nullopt;
      case 2: {
        const auto size = Varint();
        if (!size || *size > rest_.size()) return std::nullopt;
        field.bytes = rest_.substr(0, *size);
        rest_.remove_prefix(*size);
        return field;
      }
      default:
        return std::nullopt;
    }
  }

 private:
  std::optional<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  bool Skip(size_t size) {
    if (size > rest_.size()) return false;
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
};

// A table: the size of a double-array trie (Darts-clone), its units, then the texts that the trie's
// values point to, each ended by a zero.
std::string FindTableDamage(std::string_view table) {
  if (table.empty()) return "";
  uint32_t size = 0;
  if (table.size() < sizeof(size)) return "its character table is cut off";
  std::memcpy(&size, table.data(), sizeof(size));
  table.remove_prefix(sizeof(size));
  if (size % sizeof(uint32_t) != 0 || size >= table.size()) {
    return "the size of its character table is wrong";
  }
  const std::string_view texts = table.substr(size);
  if (texts.back() != '\0') return "its character table does not end as it must";
  std::vector<uint32_t> units(size / sizeof(uint32_t));
  std::memcpy(units.data(), table.data(), size);
  for (size_t i = 0; i < units.size(); ++i) {
    const uint32_t unit = units[i];
    if (unit >> 31 != 0) continue;  // a value; it is looked at where it is used
    const uint32_t offset = (unit >> 10) << ((unit & (1u << 9)) >> 6);
    const size_t next = i ^ offset;
    if ((next | 0xff) >= units.size()) return "its character table points outside of itself";
    const bool has_value = (unit >> 8 & 1) != 0;
    if (has_value && (units[next] & 0x7fffffffu) >= texts.size()) {
      return "its character table points outside of its texts";
    }
  }
  return "";
}

}  // namespace

std::string FindSpieceDamage(std::string_view model) {
  constexpr uint64_t kNormalizer = 3, kDenormalizer = 5, kCharacterTable = 2;
  Fields fields(model);
  while (const auto field = fields.Next()) {
    if (field->number != kNormalizer && field->number != kDenormalizer) continue;
    Fields spec(field->bytes);
    while (const auto part = spec.Next()) {
      if (part->number != kCharacterTable) continue;
      std::string damage = FindTableDamage(part->bytes);
      if (!damage.empty()) return damage;
    }
  }
  return "";
}

}  // namespace teacache
