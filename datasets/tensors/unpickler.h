#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "datasets/tensors/byte_cursor.h"
#include "datasets/tensors/safetensors.h"

namespace teacache {

// The part of Python's pickle format that torch.save needs, see torch_pickle.h.

// A value on the unpickler's stack.
struct PickleValue {
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
  std::vector<PickleValue*> items;
  DType dtype = DType::kF32;  // kStorageType, kStorage
  int64_t offset = 0;         // kTensor, in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// What a pickle leaves. `top` points into `values`, as items do: cycles and deep nesting cost
// nothing.
struct Pickle {
  std::deque<PickleValue> values;
  const PickleValue* top = nullptr;
};

// Executes one pickle; afterwards `cursor` is behind it. Throws UserError, naming `where`, for
// every instruction and function that no file of tensors needs.
Pickle ReadPickle(Cursor* cursor, const std::string& where);

}  // namespace teacache
