#include "metrics/lpips/lpips_tensors.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_tensors.h"

namespace teacache {
namespace {

using Shape = std::vector<int64_t>;

std::string Text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

at::Tensor Checked(const TensorView& view,
                   const Shape& shape,
                   const std::string& source,
                   at::ScalarType dtype) {
  if (view.shape != shape) {
    ThrowUserError(source,
                   "\"{}\" must have the shape {} but has {}",
                   view.name,
                   Text(shape),
                   Text(view.shape));
  }
  const at::Tensor tensor = ToTensor(view);
  if (!at::isFloatingType(tensor.scalar_type())) {
    ThrowUserError(source, "\"{}\" must hold floating-point numbers", view.name);
  }
  const at::Tensor converted = tensor.to(dtype).contiguous();
  if (!at::isfinite(converted).all().item<bool>()) {
    ThrowUserError(source, "\"{}\" must be finite but has NaN or infinity", view.name);
  }
  return converted;
}

}  // namespace

LpipsWeights ReadLpipsWeights(LpipsNet net,
                              const std::vector<TensorView>& backbone,
                              const std::vector<TensorView>& heads,
                              const std::string& source,
                              at::ScalarType dtype) {
  const std::map<std::string, Shape> shapes = LpipsBackboneShapes(net);
  LpipsWeights weights;
  for (const TensorView& view : backbone) {
    if (view.name.starts_with("classifier.")) continue;
    const std::string name = view.name.starts_with("features.") ? view.name.substr(9) : view.name;
    const auto found = shapes.find(name);
    if (found == shapes.end() || weights.features.count(name) > 0) {
      ThrowUserError(source,
                     "must be the {} backbone but has \"{}\", which does not belong to it",
                     LpipsNetName(net),
                     view.name);
    }
    at::Tensor& tensor = weights.features[name] = Checked(view, found->second, source, dtype);
    if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
  }
  for (const auto& [name, shape] : shapes) {
    if (weights.features.count(name) == 0) {
      ThrowUserError(source,
                     "must be the {} backbone but \"features.{}\" is missing",
                     LpipsNetName(net),
                     name);
    }
  }
  const std::vector<int64_t> channels = LpipsChannels(net);
  weights.heads.resize(channels.size());
  for (const TensorView& view : heads) {
    size_t layer = 0;
    while (layer < channels.size() && view.name != fmt::format("lin{}.model.1.weight", layer)) {
      ++layer;
    }
    if (layer == channels.size() || weights.heads[layer].defined()) {
      ThrowUserError(source,
                     "must be the {} LPIPS heads but has \"{}\", which does not belong to them",
                     LpipsNetName(net),
                     view.name);
    }
    weights.heads[layer] = Checked(view, {1, channels[layer], 1, 1}, source, dtype).flatten();
  }
  for (size_t layer = 0; layer < channels.size(); ++layer) {
    if (!weights.heads[layer].defined()) {
      ThrowUserError(source,
                     "must be the {} LPIPS heads but \"lin{}.model.1.weight\" is missing",
                     LpipsNetName(net),
                     layer);
    }
  }
  return weights;
}

}  // namespace teacache
