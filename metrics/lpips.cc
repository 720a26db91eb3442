#include "metrics/lpips.h"

#include <algorithm>
#include <cmath>

#include "datasets/error.h"
#include "metrics/lpips_network.h"
#include "metrics/one_thread.h"

namespace teacache {

struct Lpips::State {
  LpipsOptions options;
  LpipsWeights weights;

  // Of frames[0] to each of the others, by layer: [frame][layer].
  std::vector<std::vector<double>> Layers(std::span<const Frame* const> frames) const {
    const OneThread one_thread;
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

LpipsNet ParseLpipsNet(std::string_view name) {
  for (LpipsNet net : {LpipsNet::kAlex, LpipsNet::kSqueeze, LpipsNet::kVgg}) {
    if (LpipsNetName(net) == name) return net;
  }
  ThrowUserError("LPIPS network", "must be one of alex, squeeze, vgg but is \"{}\"", name);
}

std::string_view LpipsNetName(LpipsNet net) {
  switch (net) {
    case LpipsNet::kAlex:
      return "alex";
    case LpipsNet::kSqueeze:
      return "squeeze";
    case LpipsNet::kVgg:
      return "vgg";
  }
  return "";
}

std::vector<double> UpsampleMeanWeights(int64_t n, int64_t size) {
  if (size == 0) return std::vector<double>(n, 1.0 / static_cast<double>(n));
  std::vector<double> weights(n, 0.0);
  const double scale = static_cast<double>(n) / static_cast<double>(size);
  for (int64_t i = 0; i < size; ++i) {
    const double position = std::max((static_cast<double>(i) + 0.5) * scale - 0.5, 0.0);
    const int64_t below = std::min(static_cast<int64_t>(position), n - 1);
    const int64_t above = std::min(below + 1, n - 1);
    const double fraction = position - static_cast<double>(below);
    weights[below] += 1 - fraction;
    weights[above] += fraction;
  }
  for (double& weight : weights) weight /= static_cast<double>(size);
  return weights;
}

Lpips::Lpips(const LpipsOptions& options,
             const std::vector<TensorView>& backbone,
             const std::vector<TensorView>& heads,
             const std::string& source)
    : state_(
          new State{options, ReadLpipsWeights(options.net, backbone, heads, source, at::kFloat)}) {}

Lpips::~Lpips() = default;

std::string Lpips::Definition() const {
  return fmt::format("LPIPS v0.1 {}, spatial={}{}",
                     LpipsNetName(state_->options.net),
                     state_->options.spatial,
                     state_->options.spatial ? " then mean (as TeaCache)" : "");
}

int Lpips::MinSize() const {
  switch (state_->options.net) {
    case LpipsNet::kAlex:
      return 31;
    case LpipsNet::kSqueeze:
      return 17;
    case LpipsNet::kVgg:
      return 16;
  }
  return 0;
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
