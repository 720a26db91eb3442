#include "metrics/vbench/networks/network_set.h"

#include <ATen/Functions.h>

#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/torch_pickle.h"
#include "datasets/tensors/torch_tensors.h"

namespace teacache {
namespace {

constexpr int64_t kAny = -1;

at::Tensor Zeros(at::IntArrayRef shape) { return at::zeros(shape, at::kFloat); }

size_t TextLength(const std::string& slot) { return slot == "clip_b32_text" ? 77 : 32; }

}  // namespace

AestheticHead ReadAestheticHead(const std::string& path) {
  AestheticHead head;
  for (const TensorView& view : ReadWeightsFile(path)) {
    if (view.name == "weight") head.weight = ToTensor(view);
    if (view.name == "bias") head.bias = ToTensor(view);
  }
  const bool fits = head.weight.defined() && head.bias.defined() && head.weight.dim() == 2 &&
                    head.weight.size(0) == 1 && head.weight.scalar_type() == at::kFloat &&
                    head.bias.dim() == 1 && head.bias.size(0) == 1 &&
                    head.bias.scalar_type() == at::kFloat;
  if (!fits) {
    ThrowUserError(path,
                   "must hold \"weight\" float32 [1, D] and \"bias\" float32 [1] but does not");
  }
  return head;
}

NetworkSet::NetworkSet(const NetworkFiles& files,
                       const std::vector<const VbenchDimension*>& dimensions,
                       at::Device device) {
  std::set<std::string> slots;
  for (const VbenchDimension* dimension : dimensions) {
    for (const std::string& slot : SlotsOf(*dimension)) slots.insert(slot);
  }
  for (const std::string& slot : slots) {
    const std::string& path = files.at(slot);
    if (slot == "aesthetic_head") {
      head_ = ReadAestheticHead(path);
      digests_[slot] = "sha256 " + Sha256HexOfFile(path).substr(0, 16);
    } else if (slot == "clip_merges") {
      tokenizer_ = ClipTokenizer::Open(path);
      digests_[slot] = "sha256 " + Sha256HexOfFile(path).substr(0, 16);
    } else {
      networks_[slot] = std::make_unique<ScriptNetwork>(path, device);
      digests_[slot] = networks_[slot]->digest();
    }
  }
  Check();
}

// One call each, with shapes as they will come (several pictures where there may be several).
void NetworkSet::Check() const {
  std::map<std::string, int64_t> sizes;  // of features
  for (const auto& [slot, network] : networks_) {
    // Not square, so that networks which only know squares are found out.
    const auto size =
        network->only_size().value_or(slot == "dino" ? ScriptNetwork::PictureSize{224, 256}
                                                     : ScriptNetwork::PictureSize{128, 144});
    const auto pictures = [&](int64_t count) { return Zeros({count, 3, size.height, size.width}); };
    if (slot == "dino") {
      sizes[slot] = network->Probe({pictures(2)}, {2, kAny}).size(1);
    } else if (slot == "clip_b32_image" || slot == "clip_l14_image") {
      sizes[slot] = network->Probe({Zeros({2, 3, 224, 224})}, {2, kAny}).size(1);
    } else if (slot == "musiq") {
      network->Probe({pictures(1)}, {1, 1});
    } else if (slot == "raft" || slot == "amt") {
      const int64_t channels = slot == "raft" ? 2 : 3;
      network->Probe({pictures(1), pictures(1)}, {1, channels, size.height, size.width});
    } else if (slot == "viclip_video") {
      sizes[slot] = network->Probe({Zeros({1, 8, 3, 224, 224})}, {1, kAny}).size(1);
    } else {
      const at::Tensor tokens = at::zeros({1, static_cast<int64_t>(TextLength(slot))}, at::kLong);
      tokens.select(1, 0).fill_(tokenizer_->start_token());
      tokens.select(1, 1).fill_(tokenizer_->end_token());
      sizes[slot] = network->Probe({tokens}, {1, kAny}).size(1);
    }
  }
  const auto same = [&](const std::string& a, const std::string& b) {
    if (!sizes.contains(a) || !sizes.contains(b) || sizes.at(a) == sizes.at(b)) return;
    ThrowUserError(At(a).path(),
                   "must return as many features as {}, {}, but returns {}",
                   At(b).path(),
                   sizes.at(b),
                   sizes.at(a));
  };
  same("clip_b32_text", "clip_b32_image");
  same("viclip_text", "viclip_video");
  if (head_ && head_->weight.size(1) != sizes.at("clip_l14_image")) {
    ThrowUserError("aesthetic_head",
                   "must be for the {} features of {} but is for {}",
                   sizes.at("clip_l14_image"),
                   At("clip_l14_image").path(),
                   head_->weight.size(1));
  }
}

at::Tensor NetworkSet::TextFeatures(const std::string& slot, const std::string& text) const {
  const std::lock_guard lock(mutex_);
  at::Tensor& features = texts_[{slot, text}];
  if (!features.defined()) {
    const std::vector<int64_t> tokens =
        tokenizer_->Tokenize(text, TextLength(slot), /*truncate=*/slot == "viclip_text");
    features = At(slot).Call({at::tensor(tokens, at::kLong).unsqueeze(0)}).flatten();
  }
  return features;
}

}  // namespace teacache
