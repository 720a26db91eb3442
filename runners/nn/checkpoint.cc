#include "runners/nn/checkpoint.h"

#include <algorithm>
#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"
#include "datasets/tensors/torch_pickle.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;
constexpr size_t kDigestedBytes = 256;  // of every tensor

// Names under which weights are published, best first.
constexpr const char* kStems[] = {"diffusion_pytorch_model", "model", "pytorch_model"};
constexpr const char* kEndings[] = {
    ".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json"};
constexpr const char* kLooseEndings[] = {".safetensors", ".pth", ".pt", ".ckpt", ".bin"};

bool EndsWithAny(const std::string& name, const auto& endings) {
  return std::ranges::any_of(endings, [&](const char* end) { return name.ends_with(end); });
}

std::string FindWeights(const std::string& folder) {
  for (const char* stem : kStems) {
    for (const char* ending : kEndings) {
      const fs::path file = fs::path(folder) / (std::string(stem) + ending);
      if (fs::is_regular_file(file)) return file.string();
    }
  }
  std::vector<std::string> loose;
  for (const std::string& name : ListFolder(folder)) {
    if (EndsWithAny(name, kLooseEndings)) loose.push_back(name);
  }
  if (loose.empty()) {
    ThrowUserError(folder,
                   "must hold weights (diffusion_pytorch_model.safetensors, model.safetensors, "
                   "*.index.json, .bin or .pth) but holds none");
  }
  if (loose.size() > 1) {
    ThrowUserError(folder,
                   "must hold one file of weights but holds {} and {} (shards need their "
                   "*.index.json); give the file itself",
                   loose[0],
                   loose[1]);
  }
  return (fs::path(folder) / loose[0]).string();
}

}  // namespace

Checkpoint Checkpoint::Open(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  std::error_code error;
  if (!fs::exists(path, error)) {
    ThrowUserError(path, "must be a folder or file of weights but does not exist");
  }
  const bool is_folder = fs::is_directory(path, error);
  checkpoint.weights_path_ = is_folder ? FindWeights(path) : path;
  const fs::path folder = fs::path(checkpoint.weights_path_).parent_path();
  checkpoint.config_path_ = (folder / "config.json").string();
  checkpoint.config_ = nlohmann::json::object();
  if (fs::exists(checkpoint.config_path_, error)) {
    checkpoint.config_ =
        ParseJson(ReadFile(checkpoint.config_path_, kMaxConfigBytes), checkpoint.config_path_);
    const JsonFields is_object(checkpoint.config_, checkpoint.config_path_);
  }
  checkpoint.tensors_ = ReadWeightsFile(checkpoint.weights_path_);
  std::ranges::sort(checkpoint.tensors_, {}, &TensorView::name);
  return checkpoint;
}

int64_t Checkpoint::parameters() const {
  int64_t count = 0;
  for (const TensorView& view : tensors_) {
    count += static_cast<int64_t>(view.data.size()) / DTypeSize(view.dtype);
  }
  return count;
}

int64_t Checkpoint::file_bytes() const {
  int64_t bytes = 0;
  for (const TensorView& view : tensors_) bytes += static_cast<int64_t>(view.data.size());
  return bytes;
}

std::string Checkpoint::Digest() const {
  std::string text;
  for (const TensorView& view : tensors_) {
    text += view.name + ' ' + std::string(DTypeName(view.dtype));
    for (const int64_t size : view.shape) text += ' ' + std::to_string(size);
    const auto values = view.data.first(std::min(kDigestedBytes, view.data.size()));
    text += '\n';
    text.append(reinterpret_cast<const char*>(values.data()), values.size());
    text += '\n';
  }
  return Sha256Hex(text);
}

CheckpointParameters Checkpoint::Parameters(at::ScalarType dtype, at::Device device) const {
  TensorMap tensors;
  for (const TensorView& view : tensors_) tensors.emplace(view.name, ToTensor(view));
  return CheckpointParameters(std::move(tensors), weights_path_, dtype, device);
}

}  // namespace teacache
