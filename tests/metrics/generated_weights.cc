#include "tests/metrics/generated_weights.h"

#include <cmath>
#include <memory>
#include <stdexcept>

#include "datasets/torch_pickle.h"

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

}  // namespace

std::vector<TensorView> GenerateBackbone(const nlohmann::json& spec) {
  const uint32_t seed = spec["seed"];
  std::vector<TensorView> views;
  for (const auto& tensor : spec["tensors"]) {
    const uint32_t key = Mix(seed + 0x9E3779B9u * (tensor["index"].get<uint32_t>() + 1));
    const int e = tensor["e"];
    const std::vector<int64_t> shape = tensor["shape"];
    size_t n = 1;
    for (int64_t size : shape) n *= size;
    auto values = std::make_shared<std::vector<float>>(n);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const uint32_t k = Mix(key + static_cast<uint32_t>(i)) >> 21;
      sum += k;
      (*values)[i] = std::ldexp(static_cast<float>(2 * static_cast<int>(k) - 2047), -(11 + e));
    }
    if (sum != tensor["sum_k"].get<uint64_t>()) {
      throw std::runtime_error("generated weights: the checksum differs");
    }
    TensorView view;
    view.name = tensor["name"];
    view.shape = shape;
    view.data = std::as_bytes(std::span(*values));
    view.owner = values;
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<TensorView> SqueezeBackbone(const std::filesystem::path& file) {
  return ReadTorchFile(file.string());
}

}  // namespace teacache
