#include "metrics/lpips/backbones.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "datasets/base/error.h"

namespace teacache {
namespace {

// float32 in the reference program, also where everything else is double.
constexpr std::array<float, 3> kShift = {-.030f, -.088f, -.188f};
constexpr std::array<float, 3> kScale = {.458f, .448f, .450f};

// One step of a backbone; `index` is the position in torchvision's `features`.
struct Step {
  enum class Kind { kConv, kFire, kPool, kTap };
  Kind kind = Kind::kTap;
  int index = 0;
  int in = 0, out = 0;  // channels; of a Fire module: out = each of its two expand layers
  int kernel = 3, stride = 1, pad = 1;
  int squeeze = 0;         // channels between, of a Fire module
  bool ceil_mode = false;  // of a pool
};

Step Conv(int index, int in, int out, int kernel = 3, int stride = 1, int pad = 1) {
  return {Step::Kind::kConv, index, in, out, kernel, stride, pad, 0, false};
}
Step Pool(int kernel, int stride, bool ceil_mode = false) {
  return {Step::Kind::kPool, 0, 0, 0, kernel, stride, 0, 0, ceil_mode};
}
Step Fire(int index, int in, int squeeze, int expand) {
  return {Step::Kind::kFire, index, in, expand, 1, 1, 0, squeeze, false};
}
Step Tap(int channels) { return {Step::Kind::kTap, 0, channels, channels, 0, 0, 0, 0, false}; }

// Every convolution is followed by a ReLU.
const std::vector<Step>& Steps(LpipsNet net) {
  static const std::vector<Step> alex = {Conv(0, 3, 64, 11, 4, 2),
                                         Tap(64),
                                         Pool(3, 2),
                                         Conv(3, 64, 192, 5, 1, 2),
                                         Tap(192),
                                         Pool(3, 2),
                                         Conv(6, 192, 384),
                                         Tap(384),
                                         Conv(8, 384, 256),
                                         Tap(256),
                                         Conv(10, 256, 256),
                                         Tap(256)};
  static const std::vector<Step> squeeze = {Conv(0, 3, 64, 3, 2, 0),
                                            Tap(64),
                                            Pool(3, 2, true),
                                            Fire(3, 64, 16, 64),
                                            Fire(4, 128, 16, 64),
                                            Tap(128),
                                            Pool(3, 2, true),
                                            Fire(6, 128, 32, 128),
                                            Fire(7, 256, 32, 128),
                                            Tap(256),
                                            Pool(3, 2, true),
                                            Fire(9, 256, 48, 192),
                                            Tap(384),
                                            Fire(10, 384, 48, 192),
                                            Tap(384),
                                            Fire(11, 384, 64, 256),
                                            Tap(512),
                                            Fire(12, 512, 64, 256),
                                            Tap(512)};
  static const std::vector<Step> vgg = {
      Conv(0, 3, 64),     Conv(2, 64, 64), Tap(64),    Pool(2, 2),         Conv(5, 64, 128),
      Conv(7, 128, 128),  Tap(128),        Pool(2, 2), Conv(10, 128, 256), Conv(12, 256, 256),
      Conv(14, 256, 256), Tap(256),        Pool(2, 2), Conv(17, 256, 512), Conv(19, 512, 512),
      Conv(21, 512, 512), Tap(512),        Pool(2, 2), Conv(24, 512, 512), Conv(26, 512, 512),
      Conv(28, 512, 512), Tap(512)};
  switch (net) {
    case LpipsNet::kAlex:
      return alex;
    case LpipsNet::kSqueeze:
      return squeeze;
    case LpipsNet::kVgg:
      return vgg;
  }
  return alex;
}

using Shape = std::vector<int64_t>;

void AddConvShapes(
    const std::string& name, int in, int out, int kernel, std::map<std::string, Shape>* shapes) {
  (*shapes)[name + ".weight"] = {out, in, kernel, kernel};
  (*shapes)[name + ".bias"] = {out};
}

at::Tensor ConvRelu(const at::Tensor& x,
                    const LpipsWeights& weights,
                    const std::string& name,
                    int stride,
                    int pad) {
  return at::conv2d(x,
                    weights.features.at(name + ".weight"),
                    weights.features.at(name + ".bias"),
                    {stride, stride},
                    {pad, pad})
      .relu_();
}

at::Tensor FireModule(const at::Tensor& x, const LpipsWeights& weights, const std::string& name) {
  const at::Tensor squeezed = ConvRelu(x, weights, name + ".squeeze", 1, 0);
  return at::cat({ConvRelu(squeezed, weights, name + ".expand1x1", 1, 0),
                  ConvRelu(squeezed, weights, name + ".expand3x3", 1, 1)},
                 1);
}

template <typename T>
void FillInput(const Frame& frame, T* out) {
  std::array<std::array<T, 256>, 3> table;
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < 256; ++i) {
      table[c][i] = (T(i) / T(255) * T(2) - T(1) - T(kShift[c])) / T(kScale[c]);
    }
  }
  for (size_t i = 0; i < frame.rgb.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c) out[i + c] = table[c][frame.rgb[i + c]];
  }
}

}  // namespace

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

std::map<std::string, Shape> LpipsBackboneShapes(LpipsNet net) {
  std::map<std::string, Shape> shapes;
  for (const Step& step : Steps(net)) {
    const std::string name = std::to_string(step.index);
    if (step.kind == Step::Kind::kConv) {
      AddConvShapes(name, step.in, step.out, step.kernel, &shapes);
    } else if (step.kind == Step::Kind::kFire) {
      AddConvShapes(name + ".squeeze", step.in, step.squeeze, 1, &shapes);
      AddConvShapes(name + ".expand1x1", step.squeeze, step.out, 1, &shapes);
      AddConvShapes(name + ".expand3x3", step.squeeze, step.out, 3, &shapes);
    }
  }
  return shapes;
}

std::vector<int64_t> LpipsChannels(LpipsNet net) {
  std::vector<int64_t> channels;
  for (const Step& step : Steps(net)) {
    if (step.kind == Step::Kind::kTap) channels.push_back(step.out);
  }
  return channels;
}

at::Tensor LpipsInput(std::span<const Frame* const> frames, at::ScalarType dtype) {
  const Frame& first = *frames[0];
  const int64_t n = static_cast<int64_t>(frames.size());
  // Channels last: pooling and convolution are a quarter faster so, and so is LayerDistance.
  const at::Tensor input =
      at::empty({n, 3, first.height, first.width},
                at::TensorOptions(dtype).memory_format(at::MemoryFormat::ChannelsLast));
  const size_t samples = first.rgb.size();
  for (int64_t i = 0; i < n; ++i) {
    if (dtype == at::kDouble) {
      FillInput(*frames[i], input.mutable_data_ptr<double>() + i * samples);
    } else {
      FillInput(*frames[i], input.mutable_data_ptr<float>() + i * samples);
    }
  }
  return input;
}

at::Tensor LpipsInput(const at::Tensor& pictures) {
  const auto per_channel = [&](const std::array<float, 3>& values) {
    return at::tensor(at::ArrayRef<float>(values.data(), values.size()))
        .view({1, 3, 1, 1})
        .to(pictures.device());
  };
  return pictures.permute({0, 3, 1, 2})
      .to(at::kFloat)
      .contiguous()
      .div_(255)
      .mul_(2)
      .sub_(1)
      .sub_(per_channel(kShift))
      .div_(per_channel(kScale));
}

std::vector<at::Tensor> LpipsFeatures(LpipsNet net,
                                      const LpipsWeights& weights,
                                      const at::Tensor& input) {
  std::vector<at::Tensor> features;
  at::Tensor x = input;
  for (const Step& step : Steps(net)) {
    switch (step.kind) {
      case Step::Kind::kConv:
        x = ConvRelu(x, weights, std::to_string(step.index), step.stride, step.pad);
        break;
      case Step::Kind::kFire:
        x = FireModule(x, weights, std::to_string(step.index));
        break;
      case Step::Kind::kPool:
        x = at::max_pool2d(
            x, {step.kernel, step.kernel}, {step.stride, step.stride}, 0, 1, step.ceil_mode);
        break;
      case Step::Kind::kTap:
        features.push_back(x);
        break;
    }
  }
  return features;
}

}  // namespace teacache
