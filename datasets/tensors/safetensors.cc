#include "datasets/tensors/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <set>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/mapped_file.h"

namespace teacache {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is mapped as it is");

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr uint64_t kMaxIndexBytes = 64 << 20;

struct DTypeRow {
  DType dtype;
  std::string_view name;
  int64_t size;
};
constexpr std::array kDTypes = {
    DTypeRow{DType::kBool, "BOOL", 1},
    DTypeRow{DType::kU8, "U8", 1},
    DTypeRow{DType::kI8, "I8", 1},
    DTypeRow{DType::kF8E4M3, "F8_E4M3", 1},
    DTypeRow{DType::kF8E5M2, "F8_E5M2", 1},
    DTypeRow{DType::kF8E8M0, "F8_E8M0", 1},
    DTypeRow{DType::kI16, "I16", 2},
    DTypeRow{DType::kU16, "U16", 2},
    DTypeRow{DType::kF16, "F16", 2},
    DTypeRow{DType::kBF16, "BF16", 2},
    DTypeRow{DType::kI32, "I32", 4},
    DTypeRow{DType::kU32, "U32", 4},
    DTypeRow{DType::kF32, "F32", 4},
    DTypeRow{DType::kI64, "I64", 8},
    DTypeRow{DType::kU64, "U64", 8},
    DTypeRow{DType::kF64, "F64", 8},
    DTypeRow{DType::kC64, "C64", 8},
};

static_assert(std::ranges::all_of(kDTypes,
                                  [](const DTypeRow& row) {
                                    return &row - kDTypes.data() == static_cast<int>(row.dtype);
                                  }),
              "kDTypes must be in the order of DType");

const DTypeRow& RowOf(DType dtype) { return kDTypes.at(static_cast<size_t>(dtype)); }

DType ParseDType(const JsonNode& name) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == name.Text()) {
      return row.dtype;
    }
  }
  name.Refuse("must be a known one (F32, BF16, ...)");
}

// Checks that the number of values, and with it every stride, fits; returns the number of bytes.
int64_t BytesOfShape(const std::string& where, const std::vector<int64_t>& shape, int64_t size) {
  int64_t strides = size;
  bool empty = false;
  for (const int64_t dim : shape) {
    if (dim < 0) {
      ThrowUserError(where, "shape must not be negative but has {}", dim);
    }
    empty = empty || dim == 0;
    if (__builtin_mul_overflow(strides, std::max<int64_t>(dim, 1), &strides)) {
      ThrowUserError(where, "shape must fit into memory but does not");
    }
  }
  return empty ? 0 : strides;
}

std::vector<int64_t> ParseUnsigned(const JsonNode& list) {
  std::vector<int64_t> values;
  list.ForEachElement([&values](const JsonNode& value) {
    values.push_back(value.Integer());
    if (values.back() < 0) value.Refuse("must not be negative");
  });
  return values;
}

TensorView ParseTensor(const std::string& path,
                       std::string_view name,
                       const JsonNode& entry,
                       std::span<const std::byte> buffer) {
  const std::string where = fmt::format("{}: tensor \"{}\"", path, name);
  TensorView tensor;
  tensor.name = name;
  tensor.dtype = ParseDType(entry.At("dtype"));
  tensor.shape = ParseUnsigned(entry.At("shape"));
  const std::vector<int64_t> offsets = ParseUnsigned(entry.At("data_offsets"));
  if (entry.size() != 3) entry.Refuse("must have exactly dtype, shape and data_offsets");
  const int64_t bytes = BytesOfShape(where, tensor.shape, DTypeSize(tensor.dtype));
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    ThrowUserError(where, "data_offsets must be [begin, end] with begin <= end");
  }
  const int64_t length = offsets[1] - offsets[0];
  if (length != bytes) {
    ThrowUserError(where, "must have {} bytes by its shape but has {}", bytes, length);
  }
  if (static_cast<uint64_t>(offsets[1]) > buffer.size()) {
    ThrowUserError(where,
                   "must end inside the file's {} bytes of values but ends at {} (a cut file?)",
                   buffer.size(),
                   offsets[1]);
  }
  tensor.data =
      buffer.subspan(static_cast<size_t>(offsets[0]), static_cast<size_t>(offsets[1] - offsets[0]));
  return tensor;
}

// Every byte of the buffer belongs to exactly one tensor.
void CheckNoHoles(const std::string& path,
                  const std::vector<TensorView>& tensors,
                  std::span<const std::byte> buffer) {
  std::vector<std::pair<size_t, size_t>> ranges;
  for (const TensorView& tensor : tensors) {
    const size_t begin = static_cast<size_t>(tensor.data.data() - buffer.data());
    ranges.emplace_back(begin, begin + tensor.data.size());
  }
  std::sort(ranges.begin(), ranges.end());
  size_t end = 0;
  for (const auto& [begin, next_end] : ranges) {
    if (begin != end) {
      ThrowUserError(path,
                     "tensors must follow each other without holes or overlaps but one begins at "
                     "{} where {} is expected",
                     begin,
                     end);
    }
    end = next_end;
  }
  if (end != buffer.size()) {
    ThrowUserError(
        path, "must end with its last tensor but has {} bytes more", buffer.size() - end);
  }
}

struct Shard {
  std::vector<TensorView> tensors;  // sorted by name
  std::map<std::string, std::string> metadata;
};

Shard OpenShard(const std::string& path) {
  auto mapping = std::make_shared<const MappedFile>(path);
  const std::span<const std::byte> bytes = mapping->bytes();
  uint64_t header_size = 0;
  if (bytes.size() < sizeof(header_size)) {
    ThrowUserError(path, "must begin with an 8-byte length but has {} bytes", bytes.size());
  }
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  if (header_size > kMaxHeaderBytes || header_size > bytes.size() - sizeof(header_size)) {
    ThrowUserError(path,
                   "header must fit into the file's {} bytes (at most {}) but has {} (not a "
                   "safetensors file, or a cut one?)",
                   bytes.size(),
                   kMaxHeaderBytes,
                   header_size);
  }
  const auto header = bytes.subspan(sizeof(header_size), header_size);
  const auto buffer = bytes.subspan(sizeof(header_size) + header_size);
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  if (!text.starts_with('{')) {
    ThrowUserError(path, "header must begin with '{{' but does not");
  }
  JsonDocument json(path + ": header");
  Shard shard;
  for (const auto& [name, entry] : json.Parse(text, buffer.size()).Members()) {
    if (name == "__metadata__") {
      shard.metadata = FromJson<std::map<std::string, std::string>>(entry);
    } else {
      shard.tensors.push_back(ParseTensor(path, name, entry, buffer));
      shard.tensors.back().owner = mapping;
    }
  }
  CheckNoHoles(path, shard.tensors, buffer);
  return shard;
}

const TensorView* FindIn(const std::vector<TensorView>& tensors, std::string_view name) {
  const auto it = std::lower_bound(
      tensors.begin(), tensors.end(), name, [](const TensorView& tensor, std::string_view key) {
        return tensor.name < key;
      });
  return it != tensors.end() && it->name == name ? &*it : nullptr;
}

// A shard's name comes from a file of others: it must stay in the index's folder.
std::string ShardPath(const std::string& index_path, const std::string& name) {
  const std::filesystem::path relative(name);
  const bool plain =
      !name.empty() && relative.is_relative() &&
      std::none_of(relative.begin(), relative.end(), [](const auto& part) { return part == ".."; });
  if (!plain) {
    ThrowUserError(
        index_path, "shard names must be relative, without \"..\", but one is \"{}\"", name);
  }
  return (std::filesystem::path(index_path).parent_path() / relative).string();
}

// All that are missing at once: each is gigabytes to download.
void CheckShardsAreThere(const std::string& index_path,
                         const std::map<std::string, std::string>& shards) {
  std::set<std::string> missing;
  std::error_code error;
  for (const auto& [name, path] : shards) {
    if (!std::filesystem::exists(path, error)) missing.insert(path);
  }
  std::string names;
  for (const std::string& path : missing) {
    names += (names.empty() ? "" : ", ") + std::filesystem::path(path).filename().string();
  }
  if (!names.empty()) {
    ThrowUserError(index_path, "must have all its shards beside it but lacks {}", names);
  }
}

Shard OpenIndex(const std::string& path) {
  std::map<std::string, Shard> shards;
  Shard all;
  for (const auto& [name, shard_path] : ReadShardIndex(path)) {
    auto it = shards.find(shard_path);
    if (it == shards.end()) {
      it = shards.emplace(shard_path, OpenShard(shard_path)).first;
      all.metadata.insert(it->second.metadata.begin(), it->second.metadata.end());
    }
    const TensorView* tensor = FindIn(it->second.tensors, name);
    if (tensor == nullptr) {
      ThrowUserError(shard_path, "must have tensor \"{}\", as {} says, but has not", name, path);
    }
    all.tensors.push_back(*tensor);
  }
  return all;
}

}  // namespace

std::map<std::string, std::string> ReadShardIndex(const std::string& path) {
  const ParsedJson json(ReadFile(path, kMaxIndexBytes), path);
  std::map<std::string, std::string> shards;
  for (const auto& [name, file] : json.root().At("weight_map").Members()) {
    shards.emplace(name, ShardPath(path, file.String()));
  }
  CheckShardsAreThere(path, shards);
  return shards;
}

std::string_view DTypeName(DType dtype) { return RowOf(dtype).name; }
int64_t DTypeSize(DType dtype) { return RowOf(dtype).size; }

SafetensorsFile SafetensorsFile::Open(const std::string& path) {
  Shard shard = path.ends_with(".json") ? OpenIndex(path) : OpenShard(path);
  SafetensorsFile file;
  file.path_ = path;
  file.tensors_ = std::move(shard.tensors);
  file.metadata_ = std::move(shard.metadata);
  return file;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const TensorView& tensor : tensors_) {
    names.push_back(tensor.name);
  }
  return names;
}

const TensorView* SafetensorsFile::Find(std::string_view name) const {
  return FindIn(tensors_, name);
}

const TensorView& SafetensorsFile::At(std::string_view name) const {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr) {
    ThrowUserError(path_, "must have a tensor \"{}\" but has none", name);
  }
  return *tensor;
}

void WriteSafetensors(const std::string& path,
                      const std::vector<TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorView*> order;
  std::set<std::string_view> names = {"__metadata__"};
  for (const TensorView& tensor : tensors) {
    const std::string where = path + ": tensor \"" + tensor.name + "\"";
    if (!names.insert(tensor.name).second) {
      ThrowUserError(where, "must have a name of its own but has not");
    }
    const int64_t bytes = BytesOfShape(where, tensor.shape, DTypeSize(tensor.dtype));
    if (static_cast<uint64_t>(bytes) != tensor.data.size()) {
      ThrowUserError(
          where, "must have {} bytes by its shape but has {}", bytes, tensor.data.size());
    }
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    const int64_t x = DTypeSize(a->dtype), y = DTypeSize(b->dtype);
    return x != y ? x > y : a->name < b->name;
  });

  JsonText header(path, /*indent=*/-1, BadUtf8::kRefuse);
  header.Begin('{');
  JsonWriter members(&header);
  members.OptionalUnless(metadata.empty(), "__metadata__", metadata);
  size_t offset = 0;
  for (const TensorView* tensor : order) {
    const size_t end = offset + tensor->data.size();
    header.Name(tensor->name);
    header.Begin('{');
    members("dtype", std::string(DTypeName(tensor->dtype)));
    members("shape", tensor->shape);
    members("data_offsets", std::array{offset, end});
    header.End('}');
    offset = end;
  }
  header.End('}');
  std::string text = header.text();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t size = text.size();

  std::vector<std::span<const std::byte>> pieces;
  pieces.push_back(std::as_bytes(std::span<const uint64_t>(&size, 1)));
  pieces.push_back(std::as_bytes(std::span<const char>(text)));
  for (const TensorView* tensor : order) {
    pieces.push_back(tensor->data);
  }
  AtomicWriteFile(path, std::span<const std::span<const std::byte>>(pieces));
}

}  // namespace teacache
