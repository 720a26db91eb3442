#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace teacache {

// A network in a TorchScript file (torch.jit.save), called on one thread without gradients. May be
// used from several threads.
class ScriptNetwork {
 public:
  // Throws UserError when the file is none, or cannot run on the device.
  ScriptNetwork(const std::string& path, at::Device device);
  ~ScriptNetwork();
  ScriptNetwork(const ScriptNetwork&) = delete;
  ScriptNetwork& operator=(const ScriptNetwork&) = delete;

  // Its one answer, on the CPU, contiguous. Throws UserError, in one line, when the network fails
  // on these inputs, is made for pictures of another size, or returns something else than one
  // float32 tensor.
  at::Tensor Call(const std::vector<at::Tensor>& inputs) const;

  // Calls it with zeros of these inputs' shapes and checks the answer's shape, where -1 is any
  // size. Throws UserError saying what must come out and what does.
  at::Tensor Probe(const std::vector<at::Tensor>& inputs,
                   const std::vector<int64_t>& expected) const;

  // The only size of pictures that it works for, if it says so: its integer attributes "height" and
  // "width". A network that was traced with one size does not know others.
  struct PictureSize {
    int64_t height = 0;
    int64_t width = 0;
  };
  const std::optional<PictureSize>& only_size() const { return only_size_; }

  const std::string& path() const { return path_; }
  // "sha256 0123456789abcdef": the beginning of the file's digest.
  const std::string& digest() const { return digest_; }

 private:
  struct State;
  std::string path_;
  std::string digest_;
  std::unique_ptr<State> state_;
  std::optional<PictureSize> only_size_;
};

}  // namespace teacache
