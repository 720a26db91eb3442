#include "tests/metrics/lpips/generated_weights.h"

#include <cmath>
#include <memory>
#include <stdexcept>

#include "datasets/tensors/torch_pickle.h"

namespace teacache {
namespace {

uint32_t Mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352d;
  x ^= x >> 15;
  x *= 0x846ca68b;
  x ^= x >> 16;
  return x;
}

TensorView Generate(uint32_t seed,
                    uint32_t index,
                    const std::string& name,
                    const std::vector<int64_t>& shape,
                    int e,
                    uint64_t* sum) {
  const uint32_t key = Mix(seed + 0x9E3779B9u * (index + 1));
  size_t n = 1;
  for (int64_t size : shape) n *= size;
  auto values = std::make_shared<std::vector<float>>(n);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t k = Mix(key + static_cast<uint32_t>(i)) >> 21;
    *sum += k;
    (*values)[i] = std::ldexp(static_cast<float>(2 * static_cast<int>(k) - 2047), -(11 + e));
  }
  TensorView view;
  view.name = name;
  view.shape = shape;
  view.data = std::as_bytes(std::span<const float>(*values));
  view.owner = values;
  return view;
}

}  // namespace

std::vector<TensorView> GenerateBackbone(const nlohmann::json& spec) {
  const uint32_t seed = spec["seed"];
  std::vector<TensorView> views;
  for (const auto& tensor : spec["tensors"]) {
    uint64_t sum = 0;
    views.push_back(
        Generate(seed, tensor["index"], tensor["name"], tensor["shape"], tensor["e"], &sum));
    if (sum != tensor["sum_k"].get<uint64_t>()) {
      throw std::runtime_error("generated weights: the checksum differs");
    }
  }
  return views;
}

std::vector<TensorView> RandomAlexBackbone() {
  struct Layer {
    int index, out, in, kernel, e;
  };
  std::vector<TensorView> views;
  uint32_t index = 0;
  for (const Layer& layer : {Layer{0, 64, 3, 11, 3},
                             Layer{3, 192, 64, 5, 4},
                             Layer{6, 384, 192, 3, 4},
                             Layer{8, 256, 384, 3, 5},
                             Layer{10, 256, 256, 3, 4}}) {
    const std::string name = "features." + std::to_string(layer.index);
    uint64_t sum = 0;
    const std::vector<int64_t> shape = {layer.out, layer.in, layer.kernel, layer.kernel};
    views.push_back(Generate(7, index++, name + ".weight", shape, layer.e, &sum));
    views.push_back(Generate(7, index++, name + ".bias", {layer.out}, 4, &sum));
  }
  return views;
}

std::vector<TensorView> SqueezeBackbone(const std::filesystem::path& file) {
  return ReadTorchFile(file.string());
}

}  // namespace teacache
