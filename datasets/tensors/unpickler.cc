#include "datasets/tensors/unpickler.h"

#include <map>
#include <string_view>
#include <utility>

namespace teacache {
namespace {

using Value = PickleValue;
using Kind = Value::Kind;

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

class Unpickler {
 public:
  Unpickler(Cursor* cursor, const std::string& where) : in_(*cursor), where_(where) {
    none_ = New(Kind::kNone);
  }

  Pickle Run() {
    if (in_.Number<uint8_t>() != 0x80) Refuse("does not start with a pickle of protocol 2");
    const int protocol = in_.Number<uint8_t>();
    if (protocol < 2 || protocol > 3) {
      Refuse(fmt::format("is a pickle of protocol {} (torch.save writes 2)", protocol));
    }
    for (uint8_t op; (op = in_.Number<uint8_t>()) != '.';) Execute(op);
    const Value* result = Pop();
    if (!stack_.empty()) Refuse("leaves values on the pickle's stack");
    return {std::move(values_), result};  // moving a deque leaves its values where they are
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

}  // namespace

Pickle ReadPickle(Cursor* cursor, const std::string& where) {
  return Unpickler(cursor, where).Run();
}

}  // namespace teacache
