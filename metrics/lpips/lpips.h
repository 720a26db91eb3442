#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datasets/tensors/safetensors.h"
#include "metrics/lpips/backbones.h"
#include "metrics/metric.h"

namespace teacache {

// LPIPS v0.1 (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
// Metric", CVPR 2018; reference program: richzhang/PerceptualSimilarity):
//
//   x = (2 u8 / 255 - 1 - shift) / scale, features f_l = backbone(x) at five or seven layers,
//   M_l = sum_c lin_l[c] (f_l[c] / (|f_l| + 1e-10) - g_l[c] / (|g_l| + 1e-10))^2,
//   LPIPS = sum_l mean(M_l)
//
// With `spatial` the reference first scales M_l up to the picture (bilinear) and then takes the
// mean; that mean is a fixed weighting of M_l (UpsampleMeanWeights), so nothing is scaled up here.
// TeaCache uses alex with spatial.
struct LpipsWeights;  // metrics/lpips/backbones.h

struct LpipsOptions {
  LpipsNet net = LpipsNet::kAlex;
  bool spatial = true;
  std::vector<std::string> files = {};  // of the weights, for Files()
};

// Kernel "lpips".
class Lpips : public Metric {
 public:
  // `backbone`: torchvision's network ("features.0.weight", ...; its classifier is ignored) or only
  // its features ("0.weight", ...). `heads`: "lin0.model.1.weight", ... [1, C, 1, 1]. Any floating
  // type; computed in float32. Throws UserError, naming `source`, unless every tensor that is
  // needed is there in the right shape and nothing else is.
  Lpips(const LpipsOptions& options,
        const std::vector<TensorView>& backbone,
        const std::vector<TensorView>& heads,
        const std::string& source = "weights");
  ~Lpips() override;

  int MinSize() const override;
  std::vector<double> Score(std::span<const FramePair> pairs) const override;
  std::string_view Kernel() const override { return "lpips"; }
  std::vector<std::string> Files() const override { return options().files; }

  // Distances of `gt` to each of `gens`, all of one size, lower = closer, 0 = identical. The
  // features of `gt` are computed once. One thread per call, so that the digits do not depend on
  // how many there are, nor on how many pictures are given. Accuracy: 1e-6 against the formula in
  // double.
  std::vector<double> Distances(const Frame& gt, std::span<const Frame* const> gens) const;
  // The same for one pair, before the sum over layers.
  std::vector<double> PerLayer(const Frame& gt, const Frame& gen) const;

  const LpipsOptions& options() const;
  const LpipsWeights& weights() const;  // on the CPU

 private:
  struct State;
  explicit Lpips(std::unique_ptr<const State> state);

  std::unique_ptr<const State> state_;
};

}  // namespace teacache
