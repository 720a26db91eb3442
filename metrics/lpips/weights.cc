#include "metrics/lpips/weights.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_pickle.h"
#include "datasets/tensors/torch_tensors.h"
#include "metrics/networks_module.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

struct Names {
  std::vector<std::string> backbone;  // the first one is the one to ask for
  std::vector<std::string> heads;
};

Names FileNames(LpipsNet net) {
  switch (net) {
    case LpipsNet::kAlex:
      return {{"alexnet-owt-7be5be79.pth",
               "alexnet-owt-4df8aa71.pth",
               "alexnet.safetensors",
               "alexnet.pth"},
              {"alex.pth", "alex.safetensors", "LPIPS_v0.1_alex-df73285e.pth"}};
    case LpipsNet::kSqueeze:
      return {{"squeezenet1_1-b8a52dc0.pth",
               "squeezenet1_1-f364aa15.pth",
               "squeeze.backbone.pth",
               "squeezenet1_1.safetensors"},
              {"squeeze.pth", "squeeze.safetensors", "LPIPS_v0.1_squeeze-4a5350f2.pth"}};
    case LpipsNet::kVgg:
      return {{"vgg16-397923af.pth", "vgg16.safetensors", "vgg16.pth"},
              {"vgg.pth", "vgg.safetensors", "LPIPS_v0.1_vgg-a78928a0.pth"}};
  }
  return {};
}

fs::path WeightsFolder(const std::string& folder) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (!folder.empty()) return folder;
  if (!variable("TEACACHE_WEIGHTS").empty()) return variable("TEACACHE_WEIGHTS");
  const std::string cache = variable("XDG_CACHE_HOME");
  const fs::path base = cache.empty() ? fs::path(variable("HOME")) / ".cache" : fs::path(cache);
  return base / "teacache-toolkit" / "weights";
}

std::string FindFile(const fs::path& folder, const std::vector<std::string>& names) {
  for (const fs::path& place : {folder, folder / "lpips"}) {
    for (const std::string& name : names) {
      std::error_code error;
      if (fs::is_regular_file(place / name, error)) return (place / name).string();
    }
  }
  return "";
}

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

LpipsFiles FindLpipsFiles(LpipsNet net, const std::string& folder) {
  const fs::path place = WeightsFolder(folder);
  const Names names = FileNames(net);
  LpipsFiles files{FindFile(place, names.backbone), FindFile(place, names.heads), ""};
  std::vector<std::string> missing;
  if (files.backbone.empty()) {
    missing.push_back(fmt::format("{} (torchvision's weights)", names.backbone[0]));
  }
  if (files.heads.empty()) {
    missing.push_back(fmt::format("{} (weights/v0.1 of the Python package lpips)", names.heads[0]));
  }
  if (!missing.empty()) {
    files.how_to = fmt::format(
        "needs {} in {}: run ./build.sh weights, or put it there, or "
        "name another folder with --weights or TEACACHE_WEIGHTS",
        fmt::join(missing, " and "),
        place.string());
  }
  return files;
}

std::shared_ptr<const Lpips> LoadLpips(const LpipsOptions& options, const LpipsFiles& files) {
  if (!files.complete()) throw NotInstalled("LPIPS", files.how_to);
  LpipsOptions with_files = options;
  with_files.files = {files.backbone, files.heads};
  return std::make_shared<const Lpips>(with_files,
                                       ReadWeightsFile(files.backbone),
                                       ReadWeightsFile(files.heads),
                                       files.backbone + ", " + files.heads);
}

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
