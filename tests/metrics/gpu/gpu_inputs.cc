#include "tests/metrics/gpu/gpu_inputs.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

namespace teacache {

at::Tensor ToPictures(const std::vector<Frame>& frames) {
  const int64_t n = static_cast<int64_t>(frames.size());
  const at::Tensor pictures = at::empty({n, frames[0].height, frames[0].width, 3}, at::kByte);
  for (int64_t i = 0; i < n; ++i) {
    std::copy(
        frames[i].rgb.begin(),
        frames[i].rgb.end(),
        pictures.mutable_data_ptr<uint8_t>() + i * static_cast<int64_t>(frames[i].rgb.size()));
  }
  return pictures;
}

LpipsWeights RandomWeights(LpipsNet net, at::ScalarType dtype) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7);
  LpipsWeights weights;
  for (const auto& [name, shape] : LpipsBackboneShapes(net)) {
    int64_t fan_in = 1;
    for (size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
    const double scale = shape.size() == 1 ? 0.1 : std::sqrt(2.0 / static_cast<double>(fan_in));
    weights.features[name] = (at::randn(shape, generator, at::kFloat) * scale).to(dtype);
  }
  for (int64_t channels : LpipsChannels(net)) {
    weights.heads.push_back(at::rand({channels}, generator, at::kFloat).to(dtype));
  }
  return weights;
}

}  // namespace teacache
