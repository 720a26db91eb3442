#include "datasets/torch_pickle.h"

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

#include "datasets/error.h"
#include "datasets/mapped_file.h"

namespace teacache {
namespace {

using Bytes = std::span<const std::byte>;

// Reads little-endian numbers, never past the end.
class Cursor {
 public:
  Cursor(Bytes bytes, const std::string& where, size_t position = 0)
      : bytes_(bytes), where_(where), position_(position) {}

  size_t position() const { return position_; }
  bool AtEnd() const { return position_ == bytes_.size(); }

  Bytes Take(uint64_t n) {
    if (n > bytes_.size() - position_) {
      ThrowUserError(
          where_,
          "must be a whole torch.save file but ends at byte {} in the middle of something",
          bytes_.size());
    }
    const Bytes out = bytes_.subspan(position_, n);
    position_ += n;
    return out;
  }
  template <typename T>
  T Number() {
    T value;
    std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string Text(uint64_t n) {
    const Bytes bytes = Take(n);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string Line() {
    std::string line;
    for (char c; (c = static_cast<char>(Number<uint8_t>())) != '\n';) line += c;
    return line;
  }

 private:
  Bytes bytes_;
  const std::string& where_;
  size_t position_;
};

struct StorageType {
  std::string_view name;
  DType dtype;
};
constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", DType::kF32},
    {"DoubleStorage", DType::kF64},
    {"HalfStorage", DType::kF16},
    {"BFloat16Storage", DType::kBF16},
    {"LongStorage", DType::kI64},
    {"IntStorage", DType::kI32},
    {"ShortStorage", DType::kI16},
    {"CharStorage", DType::kI8},
    {"ByteStorage", DType::kU8},
    {"BoolStorage", DType::kBool},
};

// A value on the unpickler's stack.
struct Value {
  enum class Kind {
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,
    kTuple,
    kList,
    kDict,
    kMark,
    kOrderedDictFunction,
    kRebuildTensorFunction,
    kRebuildParameterFunction,
    kStorageType,
    kStorage,
    kTensor,
  };
  Kind kind = Kind::kNone;
  int64_t number = 0;
  std::string text;  // kText; key of kStorage
  // Items of tuples and lists; of dicts key, value, key, value, ...; of a tensor its storage.
  std::vector<Value*> items;
  DType dtype = DType::kF32;  // kStorageType, kStorage
  int64_t offset = 0;         // kTensor, in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};
using Kind = Value::Kind;

// Executes one pickle. Values belong to the unpickler, so that cycles and deep nesting cost
// nothing.
class Unpickler {
 public:
  Unpickler(Cursor* cursor, const std::string& where) : in_(*cursor), where_(where) {
    none_ = New(Kind::kNone);
  }

  Value* Run() {
    if (in_.Number<uint8_t>() != 0x80) Refuse("does not start with a pickle of protocol 2");
    const int protocol = in_.Number<uint8_t>();
    if (protocol < 2 || protocol > 3) {
      Refuse(fmt::format("is a pickle of protocol {} (torch.save writes 2)", protocol));
    }
    for (uint8_t op; (op = in_.Number<uint8_t>()) != '.';) Execute(op);
    Value* result = Pop();
    if (!stack_.empty()) Refuse("leaves values on the pickle's stack");
    return result;
  }

 private:
  [[noreturn]] void Refuse(const std::string& what) const {
    ThrowUserError(where_,
                   "must be a file of tensors by torch.save but {} (at byte {})",
                   what,
                   in_.position());
  }

  Value* New(Kind kind) {
    values_.emplace_back();
    values_.back().kind = kind;
    return &values_.back();
  }
  void PushInt(int64_t number, Kind kind = Kind::kInt) {
    Value* value = New(kind);
    value->number = number;
    stack_.push_back(value);
  }
  void PushText(std::string text) {
    Value* value = New(Kind::kText);
    value->text = std::move(text);
    stack_.push_back(value);
  }
  Value* Pop() {
    if (stack_.empty()) Refuse("takes from the empty stack");
    Value* value = stack_.back();
    stack_.pop_back();
    if (value->kind == Kind::kMark) Refuse("uses a mark as a value");
    return value;
  }
  Value* Top(Kind kind, const char* what) {
    if (stack_.empty() || stack_.back()->kind != kind) Refuse(what);
    return stack_.back();
  }
  std::vector<Value*> PopToMark() {
    size_t i = stack_.size();
    while (i > 0 && stack_[i - 1]->kind != Kind::kMark) --i;
    if (i == 0) Refuse("has no mark where one is needed");
    std::vector<Value*> items(stack_.begin() + static_cast<std::ptrdiff_t>(i), stack_.end());
    stack_.resize(i - 1);
    return items;
  }
  void PushTuple(std::vector<Value*> items) {
    Value* tuple = New(Kind::kTuple);
    tuple->items = std::move(items);
    stack_.push_back(tuple);
  }
  void PushTuple(int n) {
    std::vector<Value*> items(n);
    for (int i = n; i-- > 0;) items[i] = Pop();
    PushTuple(std::move(items));
  }

  void Execute(uint8_t op) {
    switch (op) {
      case '(':
        stack_.push_back(New(Kind::kMark));
        return;
      case 'N':
        stack_.push_back(none_);
        return;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        return PushInt(op == 0x88, Kind::kBool);
      case 'J':
        return PushInt(in_.Number<int32_t>());
      case 'K':
        return PushInt(in_.Number<uint8_t>());
      case 'M':
        return PushInt(in_.Number<uint16_t>());
      case 0x8a:
        return PushLong(in_.Number<uint8_t>());
      case 'G':
        in_.Take(8);
        return PushInt(0, Kind::kFloat);
      case 'X':
        return PushText(in_.Text(in_.Number<uint32_t>()));
      case 'U':
        return PushText(in_.Text(in_.Number<uint8_t>()));
      case ')':
        return PushTuple(0);
      case 0x85:
      case 0x86:
      case 0x87:
        return PushTuple(op - 0x84);
      case 't':
        return PushTuple(PopToMark());
      case ']':
        stack_.push_back(New(Kind::kList));
        return;
      case '}':
        stack_.push_back(New(Kind::kDict));
        return;
      case 'a':
        return Append({Pop()});
      case 'e':
        return Append(PopToMark());
      case 's': {
        Value* value = Pop();
        return SetItems({Pop(), value});
      }
      case 'u':
        return SetItems(PopToMark());
      case 'q':
        return Put(in_.Number<uint8_t>());
      case 'r':
        return Put(in_.Number<uint32_t>());
      case 'h':
        return Get(in_.Number<uint8_t>());
      case 'j':
        return Get(in_.Number<uint32_t>());
      case 'c':
        return PushGlobal();
      case 'Q':
        return PushStorage();
      case 'R':
        return Reduce();
      case 'b':
        // Attributes of an OrderedDict (state_dict's _metadata): not needed.
        Pop();
        Top(Kind::kDict, "sets the state of something that is not a dict");
        return;
      default:
        Refuse(fmt::format("uses the pickle instruction 0x{:02x}, which no file of tensors needs",
                           op));
    }
  }

  void PushLong(int n) {
    const Bytes bytes = in_.Take(n);
    // The first number of the old layout has ten bytes; it is compared by its low eight.
    if (n > 10) Refuse("has a number of more than 80 bits");
    uint64_t number = 0;
    const int used = std::min(n, 8);
    for (int i = 0; i < used; ++i) number |= uint64_t(bytes[i]) << (8 * i);
    if (n > 0 && n < 8 && (uint8_t(bytes[n - 1]) & 0x80) != 0) number |= ~uint64_t{0} << (8 * n);
    PushInt(static_cast<int64_t>(number));
  }

  void Append(const std::vector<Value*>& items) {
    Value* list = Top(Kind::kList, "appends to something that is not a list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void SetItems(const std::vector<Value*>& items) {
    if (items.size() % 2 != 0) Refuse("has a key without a value");
    Value* dict = Top(Kind::kDict, "sets items of something that is not a dict");
    dict->items.insert(dict->items.end(), items.begin(), items.end());
  }

  void Put(uint32_t index) {
    if (stack_.empty()) Refuse("remembers from the empty stack");
    memo_[index] = stack_.back();
  }
  void Get(uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) Refuse("recalls what was never remembered");
    stack_.push_back(found->second);
  }

  void PushGlobal() {
    const std::string module = in_.Line();
    const std::string name = in_.Line();
    if (module == "collections" && name == "OrderedDict") {
      stack_.push_back(New(Kind::kOrderedDictFunction));
      return;
    }
    if (module == "torch._utils" && name == "_rebuild_tensor_v2") {
      stack_.push_back(New(Kind::kRebuildTensorFunction));
      return;
    }
    if (module == "torch._utils" && name == "_rebuild_parameter") {
      stack_.push_back(New(Kind::kRebuildParameterFunction));
      return;
    }
    for (const StorageType& type : kStorageTypes) {
      if (module == "torch" && name == type.name) {
        stack_.push_back(New(Kind::kStorageType));
        stack_.back()->dtype = type.dtype;
        return;
      }
    }
    Refuse(fmt::format("it asks for {}.{}: only tensors are read, nothing is run", module, name));
  }

  // ("storage", type, key, location, number of elements[, None])
  void PushStorage() {
    const Value* id = Pop();
    const std::vector<Value*>& items = id->items;
    if (id->kind != Kind::kTuple || (items.size() != 5 && items.size() != 6) ||
        items[0]->kind != Kind::kText || items[0]->text != "storage" ||
        items[1]->kind != Kind::kStorageType || items[2]->kind != Kind::kText ||
        items[4]->kind != Kind::kInt || items[4]->number < 0 ||
        (items.size() == 6 && items[5]->kind != Kind::kNone)) {
      Refuse("refers to a storage in an unknown way");
    }
    Value* storage = New(Kind::kStorage);
    storage->dtype = items[1]->dtype;
    storage->text = items[2]->text;
    storage->number = items[4]->number;
    stack_.push_back(storage);
  }

  void Reduce() {
    const Value* args = Pop();
    const Value* function = Pop();
    if (args->kind != Kind::kTuple) Refuse("calls a function without a tuple of arguments");
    switch (function->kind) {
      case Kind::kOrderedDictFunction:
        return PushOrderedDict(*args);
      case Kind::kRebuildTensorFunction:
        return PushTensor(*args);
      case Kind::kRebuildParameterFunction:
        if (args->items.empty() || args->items[0]->kind != Kind::kTensor) {
          Refuse("makes a parameter of something that is not a tensor");
        }
        stack_.push_back(args->items[0]);
        return;
      default:
        Refuse("calls something that is not a function");
    }
  }

  // OrderedDict() or OrderedDict([[key, value], ...]).
  void PushOrderedDict(const Value& args) {
    Value* dict = New(Kind::kDict);
    if (args.items.size() > 1) Refuse("makes an OrderedDict of several arguments");
    if (args.items.size() == 1) {
      if (args.items[0]->kind != Kind::kList) Refuse("makes an OrderedDict of something else");
      for (const Value* pair : args.items[0]->items) {
        if ((pair->kind != Kind::kList && pair->kind != Kind::kTuple) || pair->items.size() != 2) {
          Refuse("makes an OrderedDict of something that is not a pair");
        }
        dict->items.insert(dict->items.end(), pair->items.begin(), pair->items.end());
      }
    }
    stack_.push_back(dict);
  }

  // (storage, offset, size, stride, requires_grad, hooks[, metadata])
  void PushTensor(const Value& args) {
    const std::vector<Value*>& items = args.items;
    if (items.size() < 4 || items[0]->kind != Kind::kStorage || items[1]->kind != Kind::kInt) {
      Refuse("makes a tensor in an unknown way");
    }
    Value* tensor = New(Kind::kTensor);
    tensor->items = {items[0]};
    tensor->offset = items[1]->number;
    tensor->shape = Sizes(*items[2]);
    tensor->strides = Sizes(*items[3]);
    if (tensor->shape.size() != tensor->strides.size()) Refuse("has a tensor of unclear shape");
    stack_.push_back(tensor);
  }

  std::vector<int64_t> Sizes(const Value& tuple) const {
    if (tuple.kind != Kind::kTuple || tuple.items.size() > 16)
      Refuse("has a tensor of unclear shape");
    std::vector<int64_t> sizes;
    for (const Value* item : tuple.items) {
      if (item->kind != Kind::kInt || item->number < 0) Refuse("has a tensor of unclear shape");
      sizes.push_back(item->number);
    }
    return sizes;
  }

  Cursor& in_;
  const std::string& where_;
  std::deque<Value> values_;
  std::vector<Value*> stack_;
  std::map<uint32_t, Value*> memo_;
  Value* none_ = nullptr;
};

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
      ThrowUserError(where, "names must differ but \"{}\" is there twice", key.text);
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
    Unpickler magic(&cursor, where);
    const Value* value = magic.Run();
    if (value->kind != Kind::kInt || static_cast<uint64_t>(value->number) != kMagic) {
      ThrowUserError(where, "must be a file of torch.save but is another pickle");
    }
  }
  {
    Unpickler version(&cursor, where);
    const Value* value = version.Run();
    if (value->kind != Kind::kInt || value->number != 1001) {
      ThrowUserError(where, "must have the torch.save version 1001 but has another");
    }
  }
  {
    Unpickler system(&cursor, where);
    const Value* value = system.Run();
    const Value* little = value->kind == Kind::kDict ? FindItem(*value, "little_endian") : nullptr;
    if (little == nullptr || little->kind != Kind::kBool || little->number != 1) {
      ThrowUserError(where, "must be little-endian but is not");
    }
  }
  Unpickler object(&cursor, where);
  const Value* top = object.Run();
  std::map<std::string, const Value*> types;
  CollectStorages(*top, &types);
  Unpickler key_list(&cursor, where);
  const Value* keys = key_list.Run();
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

struct ZipEntry {
  uint64_t header = 0;  // position of the local header
  uint64_t size = 0;
  bool plain = true;  // neither compressed nor encrypted
};

// Names and places of the files in a zip archive without compression (APPNOTE.TXT 6.3, 4.3).
class Zip {
 public:
  Zip(Bytes bytes, const std::string& where) : bytes_(bytes), where_(where) { ReadDirectory(); }

  const std::map<std::string, ZipEntry>& entries() const { return entries_; }

  Bytes Read(const ZipEntry& entry) const {
    if (!entry.plain) Refuse("an entry that is needed is compressed or encrypted");
    Cursor cursor = At(entry.header);
    if (cursor.Number<uint32_t>() != 0x04034b50) Refuse("an entry has no header");
    cursor.Take(22);
    const uint16_t name = cursor.Number<uint16_t>(), extra = cursor.Number<uint16_t>();
    cursor.Take(uint64_t{name} + extra);
    return cursor.Take(entry.size);
  }

 private:
  [[noreturn]] void Refuse(const std::string& what) const {
    ThrowUserError(where_, "must be a zip file by torch.save but {}", what);
  }
  Cursor At(uint64_t position) const {
    if (position > bytes_.size()) Refuse("its directory points outside of the file");
    return Cursor(bytes_, where_, position);
  }

  void ReadDirectory() {
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

  void ReadEntry(Cursor* cursor) {
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
      Refuse(fmt::format("\"{}\" is there twice", name));
    }
  }

  Bytes bytes_;
  const std::string& where_;
  std::map<std::string, ZipEntry> entries_;
};

std::vector<TensorView> ParseZip(Bytes bytes, const std::string& where) {
  const Zip zip(bytes, where);
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
  Unpickler unpickler(&cursor, where);
  const Value* top = unpickler.Run();
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
