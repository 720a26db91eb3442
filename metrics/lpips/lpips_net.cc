#include "metrics/lpips/lpips_net.h"

#include <algorithm>

#include "datasets/base/error.h"

namespace teacache {

LpipsNet ParseLpipsNet(std::string_view name) {
  for (LpipsNet net : {LpipsNet::kAlex, LpipsNet::kSqueeze, LpipsNet::kVgg}) {
    if (LpipsNetName(net) == name) return net;
  }
  ThrowUserError("--lpips-net", "must be one of alex, squeeze, vgg but is \"{}\"", name);
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

int LpipsMinSize(LpipsNet net) {
  switch (net) {
    case LpipsNet::kAlex:
      return 31;
    case LpipsNet::kSqueeze:
      return 17;
    case LpipsNet::kVgg:
      return 16;
  }
  return 0;
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

}  // namespace teacache
