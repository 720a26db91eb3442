#include "metrics/lpips/lpips.h"

#include <algorithm>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/torch_threads.h"
#include "metrics/lpips/backbones.h"
#include "metrics/lpips/distance.h"
#include "metrics/lpips/weights.h"

namespace teacache {
namespace {

// The first digits of the weights' SHA-256: names in order, each with its values in float32.
std::string Digest(const LpipsWeights& weights) {
  std::string bytes;
  const auto add = [&](const at::Tensor& tensor) {
    const at::Tensor plain = tensor.contiguous(at::MemoryFormat::Contiguous);
    bytes.append(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes());
  };
  for (const auto& [name, tensor] : weights.features) {
    bytes += name;
    add(tensor);
  }
  for (const at::Tensor& head : weights.heads) add(head);
  return Sha256Hex(std::string_view(bytes)).substr(0, 8);
}

}  // namespace

struct Lpips::State {
  LpipsOptions options;
  LpipsWeights weights;

  std::vector<at::Tensor> Features(const Frame& frame) const {
    const Frame* const frames[] = {&frame};
    return LpipsFeatures(options.net, weights, LpipsInput(frames, at::kFloat));
  }

  // Of `gt` to each of `gens`, by layer: [frame][layer]. Each picture goes through the network by
  // itself: convolutions of a batch may round otherwise, and memory holds the features of two.
  std::vector<std::vector<double>> Layers(const Frame& gt,
                                          std::span<const Frame* const> gens) const {
    const TorchThreads one_thread(1);
    const std::vector<at::Tensor> left = Features(gt);
    std::vector<std::vector<double>> wy, wx;
    for (const at::Tensor& layer : left) {
      wy.push_back(UpsampleMeanWeights(layer.size(2), options.spatial ? gt.height : 0));
      wx.push_back(UpsampleMeanWeights(layer.size(3), options.spatial ? gt.width : 0));
    }
    std::vector<std::vector<double>> distances;
    for (const Frame* gen : gens) {
      const std::vector<at::Tensor> right = Features(*gen);
      std::vector<double>& layers = distances.emplace_back();
      for (size_t l = 0; l < left.size(); ++l) {
        layers.push_back(LayerDistance(left[l][0], right[l][0], weights.heads[l], wy[l], wx[l]));
      }
    }
    return distances;
  }
};

namespace {

std::string Definition(const LpipsOptions& options, const std::string& digest) {
  return fmt::format("LPIPS v0.1 {}, spatial={}{}, weights {}, mean over frames",
                     LpipsNetName(options.net),
                     options.spatial,
                     options.spatial ? " then mean (as TeaCache)" : "",
                     digest);
}

}  // namespace

Lpips::Lpips(const LpipsOptions& options,
             const std::vector<TensorView>& backbone,
             const std::vector<TensorView>& heads,
             const std::string& source)
    : Lpips([&] {
        LpipsWeights weights = ReadLpipsWeights(options.net, backbone, heads, source, at::kFloat);
        return std::make_unique<const State>(options, std::move(weights));
      }()) {}

Lpips::Lpips(std::unique_ptr<const State> state)
    : Metric({.name = "lpips",
              .label = "LPIPS",
              .higher_is_better = false,
              .best = 0,
              .definition = Definition(state->options, Digest(state->weights))}),
      state_(std::move(state)) {}

Lpips::~Lpips() = default;

const LpipsOptions& Lpips::options() const { return state_->options; }

const LpipsWeights& Lpips::weights() const { return state_->weights; }

int Lpips::MinSize() const { return LpipsMinSize(state_->options.net); }

std::vector<double> Lpips::Score(std::span<const FramePair> pairs) const {
  std::vector<const Frame*> gens;
  for (const FramePair& pair : pairs) gens.push_back(pair.gen);
  return pairs.empty() ? std::vector<double>() : Distances(*pairs[0].gt, gens);
}

std::vector<double> Lpips::Distances(const Frame& gt, std::span<const Frame* const> gens) const {
  for (const Frame* frame : gens) {
    if (frame->width != gt.width || frame->height != gt.height ||
        std::min(frame->width, frame->height) < MinSize()) {
      ThrowUserError("LPIPS",
                     "pictures must be of one size, {0}x{0} or larger, but are {1}x{2} and {3}x{4}",
                     MinSize(),
                     gt.width,
                     gt.height,
                     frame->width,
                     frame->height);
    }
  }
  // Identical frames are 0 without a look.
  std::vector<double> distances(gens.size(), 0.0);
  std::vector<size_t> different;
  std::vector<const Frame*> frames;
  for (size_t i = 0; i < gens.size(); ++i) {
    if (gens[i]->rgb == gt.rgb) continue;
    different.push_back(i);
    frames.push_back(gens[i]);
  }
  if (different.empty()) return distances;
  const std::vector<std::vector<double>> layers = state_->Layers(gt, frames);
  for (size_t i = 0; i < different.size(); ++i) {
    for (double layer : layers[i]) distances[different[i]] += layer;
  }
  return distances;
}

std::vector<double> Lpips::PerLayer(const Frame& gt, const Frame& gen) const {
  const Frame* const gens[] = {&gen};
  return state_->Layers(gt, gens)[0];
}

}  // namespace teacache
