#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "metrics/vbench/networks/network_files.h"
#include "metrics/vbench/networks/script_network.h"
#include "metrics/vbench/networks/tokenizer.h"

namespace teacache {

// CLIP's image features to an aesthetic score: w . f / |f| + b.
struct AestheticHead {
  at::Tensor weight;  // [1, D]
  at::Tensor bias;    // [1]
};

// "weight" [1, D] and "bias" [1], float32, of a file of tensors. Throws UserError.
AestheticHead ReadAestheticHead(const std::string& path);

// The loaded networks of some dimensions.
class NetworkSet {
 public:
  // Loads and checks what `dimensions` need. Throws UserError.
  NetworkSet(const NetworkFiles& files,
             const std::vector<const VbenchDimension*>& dimensions,
             at::Device device);

  // Throws std::out_of_range for a slot that no dimension needs.
  const ScriptNetwork& At(const std::string& slot) const { return *networks_.at(slot); }
  const AestheticHead& aesthetic_head() const { return *head_; }

  // Features [D] of a text. "clip_b32_text": 77 tokens, longer texts are refused; "viclip_text": 32
  // tokens, longer texts are cut. Each text is computed once.
  at::Tensor TextFeatures(const std::string& slot, const std::string& text) const;

  // Slot -> digest of its file.
  const std::map<std::string, std::string>& digests() const { return digests_; }

 private:
  void Check() const;

  std::map<std::string, std::unique_ptr<ScriptNetwork>> networks_;
  std::map<std::string, std::string> digests_;
  std::optional<AestheticHead> head_;
  std::optional<ClipTokenizer> tokenizer_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<std::string, std::string>, at::Tensor> texts_;
};

}  // namespace teacache
