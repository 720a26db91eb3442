#include "datasets/tensors/torch_pickle.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/tensors/byte_cursor.h"
#include "datasets/tensors/mapped_file.h"
#include "datasets/tensors/unpickler.h"
#include "datasets/tensors/zip_archive.h"

namespace teacache {
namespace {

using Value = PickleValue;
using Kind = Value::Kind;

// Where the values of storages are.
using Storages = std::map<std::string, Bytes>;

// Elements of the tensor, checked to lie inside a storage of `available`; a product that could
// overflow is caught because a tensor may not have more elements than its storage.
int64_t CheckedCount(const Value& tensor, int64_t available, const std::string& where) {
  int64_t count = 1;
  for (int64_t size : tensor.shape) {
    if (size == 0) return 0;
  }
  int64_t last = tensor.offset;
  bool fits = last >= 0 && last < available;
  for (size_t i = 0; fits && i < tensor.shape.size(); ++i) {
    const int64_t size = tensor.shape[i], stride = tensor.strides[i];
    fits =
        size <= available / count && (size == 1 || stride <= (available - 1 - last) / (size - 1));
    if (!fits) break;
    count *= size;
    last += size == 1 ? 0 : (size - 1) * stride;
  }
  if (!fits) ThrowUserError(where, "a tensor must lie inside its storage but reaches outside");
  return count;
}

// Copies a tensor with strides into row-major order.
std::shared_ptr<std::vector<std::byte>> Gather(const Value& tensor, Bytes storage, int64_t count) {
  const int64_t width = DTypeSize(tensor.items[0]->dtype);
  auto out = std::make_shared<std::vector<std::byte>>(count * width);
  std::vector<int64_t> index(tensor.shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = tensor.offset;
    for (size_t d = 0; d < index.size(); ++d) at += index[d] * tensor.strides[d];
    std::memcpy(out->data() + i * width, storage.data() + at * width, width);
    for (size_t d = index.size(); d-- > 0 && ++index[d] == tensor.shape[d];) index[d] = 0;
  }
  return out;
}

bool IsRowMajor(const Value& tensor) {
  int64_t expected = 1;
  for (size_t d = tensor.shape.size(); d-- > 0;) {
    if (tensor.shape[d] != 1 && tensor.strides[d] != expected) return false;
    expected *= tensor.shape[d];
  }
  return true;
}

TensorView ToView(const std::string& name,
                  const Value& tensor,
                  const Storages& storages,
                  const std::string& where) {
  const Value& storage = *tensor.items[0];
  const int64_t width = DTypeSize(storage.dtype);
  const auto found = storages.find(storage.text);
  if (found == storages.end()) {
    ThrowUserError(where, "the values of \"{}\" must be in the file but are missing", name);
  }
  const int64_t available = static_cast<int64_t>(found->second.size()) / width;
  if (storage.number > available) {
    ThrowUserError(where,
                   "\"{}\" must have {} values in its storage but has {}",
                   name,
                   storage.number,
                   available);
  }
  TensorView view;
  view.name = name;
  view.dtype = storage.dtype;
  view.shape = tensor.shape;
  const int64_t count = CheckedCount(tensor, storage.number, where + ": \"" + name + "\"");
  if (count == 0) return view;
  if (IsRowMajor(tensor)) {
    view.data = found->second.subspan(tensor.offset * width, count * width);
  } else {
    const auto values = Gather(tensor, found->second, count);
    view.data = Bytes(*values);
    view.owner = values;
  }
  return view;
}

const Value* FindItem(const Value& dict, std::string_view key) {
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (dict.items[i]->kind == Kind::kText && dict.items[i]->text == key) return dict.items[i + 1];
  }
  return nullptr;
}

std::vector<TensorView> ToViews(const Value& top,
                                const Storages& storages,
                                const std::string& where) {
  const Value* dict = &top;
  if (dict->kind == Kind::kDict) {
    const Value* inner = FindItem(*dict, "state_dict");
    if (inner != nullptr && inner->kind == Kind::kDict) dict = inner;
  }
  if (dict->kind != Kind::kDict || dict->items.empty()) {
    ThrowUserError(where, "must hold tensors by name (a state dict) but holds something else");
  }
  std::vector<TensorView> views;
  std::set<std::string> names;
  for (size_t i = 0; i + 1 < dict->items.size(); i += 2) {
    const Value &key = *dict->items[i], &value = *dict->items[i + 1];
    if (key.kind != Kind::kText || value.kind != Kind::kTensor) {
      ThrowUserError(where,
                     "must hold tensors by name but \"{}\" is something else",
                     key.kind == Kind::kText ? key.text : "a key");
    }
    if (!names.insert(key.text).second) {
      ThrowUserError(where, "names must differ but \"{}\" appears twice", key.text);
    }
    views.push_back(ToView(key.text, value, storages, where));
  }
  return views;
}

// Types of all storages that the tensors of `value` use, by key.
void CollectStorages(const Value& top, std::map<std::string, const Value*>* storages) {
  std::vector<const Value*> open = {&top};
  std::set<const Value*> seen;
  while (!open.empty()) {
    const Value* value = open.back();
    open.pop_back();
    if (!seen.insert(value).second) continue;
    if (value->kind == Kind::kStorage) storages->emplace(value->text, value);
    open.insert(open.end(), value->items.begin(), value->items.end());
  }
}

// The layout before torch 1.6: five pickles (magic number, version, system, object, storage keys),
// then for every key the number of elements and the elements.
std::vector<TensorView> ParseLegacy(Bytes bytes, const std::string& where) {
  constexpr uint64_t kMagic = 0xa86a20f9469cfc6c;  // low eight bytes of 0x1950a86a20f9469cfc6c
  Cursor cursor(bytes, where);
  {
    const Pickle magic = ReadPickle(&cursor, where);
    const Value* value = magic.top;
    if (value->kind != Kind::kInt || static_cast<uint64_t>(value->number) != kMagic) {
      ThrowUserError(where, "must be a file of torch.save but is another pickle");
    }
  }
  {
    const Pickle version = ReadPickle(&cursor, where);
    const Value* value = version.top;
    if (value->kind != Kind::kInt || value->number != 1001) {
      ThrowUserError(where, "must have the torch.save version 1001 but has another");
    }
  }
  {
    const Pickle system = ReadPickle(&cursor, where);
    const Value* value = system.top;
    const Value* little = value->kind == Kind::kDict ? FindItem(*value, "little_endian") : nullptr;
    if (little == nullptr || little->kind != Kind::kBool || little->number != 1) {
      ThrowUserError(where, "must be little-endian but is not");
    }
  }
  const Pickle object = ReadPickle(&cursor, where);
  const Value* top = object.top;
  std::map<std::string, const Value*> types;
  CollectStorages(*top, &types);
  const Pickle key_list = ReadPickle(&cursor, where);
  const Value* keys = key_list.top;
  if (keys->kind != Kind::kList) ThrowUserError(where, "must have a list of storages");
  Storages storages;
  for (const Value* key : keys->items) {
    const auto type = key->kind == Kind::kText ? types.find(key->text) : types.end();
    if (type == types.end()) ThrowUserError(where, "has a storage that no tensor uses");
    const int64_t count = cursor.Number<int64_t>();
    const int64_t width = DTypeSize(type->second->dtype);
    if (count < 0 || count > static_cast<int64_t>(bytes.size()) / width) {
      ThrowUserError(where,
                     "a storage must fit in the file but has {} values in {} bytes",
                     count,
                     bytes.size());
    }
    storages[key->text] = cursor.Take(count * width);
  }
  return ToViews(*top, storages, where);
}

std::vector<TensorView> ParseZip(Bytes bytes, const std::string& where) {
  const ZipArchive zip(bytes, where);
  std::optional<std::string> folder;
  for (const auto& [name, entry] : zip.entries()) {
    if (name == "data.pkl" || name.ends_with("/data.pkl")) {
      if (folder) ThrowUserError(where, "must hold one data.pkl but holds several");
      folder = name.substr(0, name.size() - std::strlen("data.pkl"));
    }
  }
  if (!folder) ThrowUserError(where, "must hold a data.pkl (torch.save) but does not");
  if (zip.entries().count(*folder + "constants.pkl") > 0) {
    ThrowUserError(where, "must be a state dict but is a TorchScript module");
  }
  const auto order = zip.entries().find(*folder + "byteorder");
  if (order != zip.entries().end()) {
    const Bytes text = zip.Read(order->second);
    if (std::string_view(reinterpret_cast<const char*>(text.data()), text.size()) != "little") {
      ThrowUserError(where, "must be little-endian but is not");
    }
  }
  const Bytes pickle = zip.Read(zip.entries().at(*folder + "data.pkl"));
  Cursor cursor(pickle, where);
  const Pickle pickled = ReadPickle(&cursor, where);
  const Value* top = pickled.top;
  std::map<std::string, const Value*> types;
  CollectStorages(*top, &types);
  Storages storages;
  for (const auto& item : types) {
    const auto entry = zip.entries().find(*folder + "data/" + item.first);
    if (entry != zip.entries().end()) storages[item.first] = zip.Read(entry->second);
  }
  return ToViews(*top, storages, where);
}

bool StartsWith(Bytes bytes, std::string_view prefix) {
  return bytes.size() >= prefix.size() &&
         std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
}

}  // namespace

std::vector<TensorView> ParseTorchFile(std::span<const std::byte> bytes, const std::string& where) {
  if (StartsWith(bytes, "PK")) return ParseZip(bytes, where);
  if (StartsWith(bytes, "\x80")) return ParseLegacy(bytes, where);
  ThrowUserError(where, "must be a file of torch.save (zip or pickle) but is neither");
}

std::vector<TensorView> ReadTorchFile(const std::string& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  std::vector<TensorView> views = ParseTorchFile(file->bytes(), path);
  for (TensorView& view : views) {
    if (!view.owner) view.owner = file;
  }
  return views;
}

namespace {

std::vector<TensorView> ReadShards(const std::string& index) {
  std::map<std::string, std::map<std::string, TensorView>> shards;
  std::vector<TensorView> all;
  for (const auto& [name, path] : ReadShardIndex(index)) {
    const auto [shard, is_new] = shards.try_emplace(path);
    if (is_new) {
      for (TensorView& view : ReadWeightsFile(path)) {
        shard->second.emplace(view.name, std::move(view));
      }
    }
    const auto it = shard->second.find(name);
    if (it == shard->second.end()) {
      ThrowUserError(path, "must have tensor \"{}\", as {} says, but has not", name, index);
    }
    all.push_back(it->second);
  }
  return all;
}

}  // namespace

std::vector<TensorView> ReadWeightsFile(const std::string& path) {
  if (path.ends_with(".index.json")) return ReadShards(path);
  // A safetensors file has the size of its JSON header in its first eight bytes.
  char head[9] = {};
  std::ifstream(path, std::ios::binary).read(head, sizeof(head));
  if (head[8] == '{' && std::memcmp(head, "PK", 2) != 0) {
    return SafetensorsFile::Open(path).tensors();
  }
  return ReadTorchFile(path);
}

}  // namespace teacache
