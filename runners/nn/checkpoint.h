#pragma once

#include <ATen/core/ScalarType.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "datasets/tensors/safetensors.h"
#include "runners/nn/parameters.h"

namespace teacache {

// One component of a published model (a transformer, an autoencoder, a text encoder) as it lies on
// the disk: a folder with config.json and weights. Opening reads headers only; the values are
// mapped and come from the disk when they are taken.
class Checkpoint {
 public:
  // `path`: a folder, a weights file, or a *.index.json. In a folder the weights are the first of
  //   diffusion_pytorch_model | model | pytorch_model, each as .safetensors,
  //   .safetensors.index.json, .bin, .bin.index.json; otherwise the only file .safetensors, .pth,
  //   .pt, .ckpt or .bin.
  // .bin, .pth, .pt and .ckpt go through the restricted reader (datasets/tensors/torch_pickle.h).
  // Throws UserError for a missing folder or shard, a truncated file, a config that is no JSON
  // object.
  static Checkpoint Open(const std::string& path);

  const std::string& path() const { return path_; }                  // as given
  const std::string& weights_path() const { return weights_path_; }  // the file or index
  // config.json; an empty object where it is missing. For JsonFields(config(), config_path()).
  const nlohmann::json& config() const { return config_; }
  const std::string& config_path() const { return config_path_; }

  const std::vector<TensorView>& tensors() const { return tensors_; }  // sorted by name
  int64_t parameters() const;                                          // elements of all tensors
  int64_t file_bytes() const;                                          // bytes of all tensors

  // Tells apart checkpoints of one architecture: SHA-256 over names, types, shapes and the first
  // bytes of every tensor, since hashing gigabytes would take longer than loading them.
  std::string Digest() const;

  // The tensors as a model's constructor takes them, each converted when it is taken. On the device
  // at::kMeta nothing is read at all: names and shapes only are checked.
  CheckpointParameters Parameters(at::ScalarType dtype, at::Device device) const;

 private:
  std::string path_;
  std::string weights_path_;
  std::string config_path_;
  nlohmann::json config_;
  std::vector<TensorView> tensors_;
};

}  // namespace teacache
