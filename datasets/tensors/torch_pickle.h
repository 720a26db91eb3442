#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "datasets/tensors/safetensors.h"

namespace teacache {

// Files of torch.save that hold tensors by name (state dicts), read without LibTorch, whose own
// loaders refuse them. Both layouts: zip (torch 1.6 and later) and the older sequence of pickles.
//
// A pickle is a program. Here only the instructions that build dicts, lists, tuples, texts, numbers
// and tensors are carried out; of functions only collections.OrderedDict and torch's own tensor
// constructors. Everything else is refused, so that a hostile file can do no harm. All positions
// and sizes are checked.

// The tensors in the order of the file, row-major, from files like
//   {"name": tensor, ...} or {"state_dict": {"name": tensor, ...}, ...}.
// Throws UserError naming the file for anything else. The file is mapped: values come from the disk
// when touched.
std::vector<TensorView> ReadTorchFile(const std::string& path);

// The same from memory, which must outlive the views; `where` starts the messages.
std::vector<TensorView> ParseTorchFile(std::span<const std::byte> bytes, const std::string& where);

// Tensors of a .safetensors or torch.save file, distinguished by content, or of all shards of an
// index file (*.index.json).
std::vector<TensorView> ReadWeightsFile(const std::string& path);

}  // namespace teacache
