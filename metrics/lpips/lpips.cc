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

  // Of frames[0] to each of the others, by layer: [frame][layer].
  std::vector<std::vector<double>> Layers(std::span<const Frame* const> frames) const {
    const TorchThreads one_thread(1);
    const std::vector<at::Tensor> features =
        LpipsFeatures(options.net, weights, LpipsInput(frames, at::kFloat));
    std::vector<std::vector<double>> distances(frames.size() - 1);
    for (size_t layer = 0; layer < features.size(); ++layer) {
      const at::Tensor& f = features[layer];
      const bool spatial = options.spatial;
      const std::vector<double> wy =
          UpsampleMeanWeights(f.size(2), spatial ? frames[0]->height : 0);
      const std::vector<double> wx = UpsampleMeanWeights(f.size(3), spatial ? frames[0]->width : 0);
      for (size_t i = 1; i < frames.size(); ++i) {
        distances[i - 1].push_back(LayerDistance(f[0], f[i], weights.heads[layer], wy, wx));
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
  std::vector<const Frame*> frames = {&gt};
  frames.insert(frames.end(), gens.begin(), gens.end());
  for (const Frame* frame : frames) {
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
  // Identical frames are 0 without a look: the pictures of a batch may be rounded differently.
  std::vector<double> distances(gens.size(), 0.0);
  std::vector<size_t> different;
  frames.resize(1);
  for (size_t i = 0; i < gens.size(); ++i) {
    if (gens[i]->rgb == gt.rgb) continue;
    different.push_back(i);
    frames.push_back(gens[i]);
  }
  if (different.empty()) return distances;
  const std::vector<std::vector<double>> layers = state_->Layers(frames);
  for (size_t i = 0; i < different.size(); ++i) {
    for (double layer : layers[i]) distances[different[i]] += layer;
  }
  return distances;
}

std::vector<double> Lpips::PerLayer(const Frame& gt, const Frame& gen) const {
  const Frame* const frames[] = {&gt, &gen};
  return state_->Layers(frames)[0];
}

}  // namespace teacache
