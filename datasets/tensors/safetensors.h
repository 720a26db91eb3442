#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace teacache {

// The safetensors format (https://huggingface.co/docs/safetensors): u64 little-endian header
// length, JSON header, then the values of all tensors, row-major, little-endian, without holes.

enum class DType {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
  kC64,
};

// The name in the header: "F32", "BF16", "F8_E4M3", ...
std::string_view DTypeName(DType dtype);
// Bytes per value.
int64_t DTypeSize(DType dtype);

// A named tensor whose values lie in somebody else's memory.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;       // [] = a scalar
  std::span<const std::byte> data;  // product(shape) * DTypeSize(dtype) bytes, any alignment
  // Keeps `data` alive when it comes from a file; empty in what is given to WriteSafetensors.
  std::shared_ptr<const void> owner;
};

// A read-only view of one file, or of all shards of an index file. Opening reads the headers only:
// the values are mapped and come from the disk when touched. The mapping is private, so writing
// through it (LibTorch's in-place operations) never changes the file.
class SafetensorsFile {
 public:
  // `path`: a .safetensors file, or a *.safetensors.index.json, whose shards lie beside it. Throws
  // UserError saying what is wrong with a file that is not exactly as the format demands.
  static SafetensorsFile Open(const std::string& path);

  const std::string& path() const { return path_; }
  // Sorted by name.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  std::vector<std::string> names() const;
  // nullptr when none has that name.
  const TensorView* Find(std::string_view name) const;
  // As Find, but throws UserError.
  const TensorView& At(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::string path_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Tensor name -> path of the shard that holds it, from a *.index.json (of .safetensors or .bin
// shards). Throws UserError for a damaged one, and for shards missing or outside its folder.
std::map<std::string, std::string> ReadShardIndex(const std::string& path);

// Writes a file by a temporary name and a rename. The bytes depend only on the arguments: tensors
// are laid out by size of value (largest first, so that each is aligned), then by name. Throws
// UserError for two tensors of one name or a size that does not fit the shape.
void WriteSafetensors(const std::string& path,
                      const std::vector<TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace teacache
