#include "runners/systems/shapes_weights.h"

#include <filesystem>
#include <sstream>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/tensors/torch_tensors.h"

namespace teacache {

// Both in the order of the names.
template <typename Archive>
void Visit(Archive& archive, ShapesAutoencoderConfig& config) {
  archive.Required("code_decoder_blocks", config.code_decoder_blocks);
  archive.Required("code_encoder_blocks", config.code_encoder_blocks);
  archive.Required("code_size", config.code_size);
  archive.Required("code_width", config.code_width);
  archive.Required("latent_channels", config.latent_channels);
  archive.Required("widths", config.widths);
}

template <typename Archive>
void Visit(Archive& archive, ShapesTransformerConfig& config) {
  archive.Required("channels", config.channels);
  archive.Required("depth", config.depth);
  archive.Required("hidden_size", config.hidden_size);
  archive.Required("num_heads", config.num_heads);
  archive.Required("patch_frames", config.patch_frames);
  archive.Required("side", config.side);
  archive.Required("word_channels", config.word_channels);
}

namespace {

namespace fs = std::filesystem;

constexpr const char* kAutoencoderFile = "autoencoder.safetensors";
constexpr const char* kTransformerFile = "transformer.safetensors";
constexpr const char* kSumsFile = "SHA256SUMS";
constexpr const char* kConfigKey = "config";

std::string PathIn(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

// name -> digest, as sha256sum writes them.
std::map<std::string, std::string> ReadSums(const std::string& path) {
  std::map<std::string, std::string> sums;
  std::istringstream lines(ReadFile(path, /*max_bytes=*/1 << 16));
  for (std::string digest, name; lines >> digest >> name;) sums[name] = digest;
  return sums;
}

void CheckDigest(const std::string& folder,
                 const std::string& name,
                 const std::map<std::string, std::string>& sums) {
  const std::string path = PathIn(folder, name);
  if (!fs::exists(path)) {
    ThrowUserError(path, "weights are missing; give --weights DIR, or make them with train-shapes");
  }
  const auto it = sums.find(name);
  if (it == sums.end()) ThrowUserError(PathIn(folder, kSumsFile), "must list {}", name);
  const std::string digest = Sha256HexOfFile(path);
  if (digest != it->second) {
    ThrowUserError(path,
                   "weights are damaged: sha256 must be {} (from {}) but is {}",
                   it->second,
                   kSumsFile,
                   digest);
  }
}

struct LoadedFile {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;
};

LoadedFile LoadChecked(const std::string& folder,
                       const std::string& name,
                       const std::map<std::string, std::string>& sums) {
  CheckDigest(folder, name, sums);
  const std::string path = PathIn(folder, name);
  LoadedFile file;
  file.metadata = SafetensorsFile::Open(path).metadata();
  file.tensors = LoadTensors(path);
  return file;
}

TensorMap ToHalf(const TensorMap& tensors) {
  TensorMap half;
  for (const auto& [name, tensor] : tensors) {
    half[name] = tensor.detach().cpu().to(at::kHalf).contiguous();
  }
  return half;
}

template <typename Model, typename Config>
Model Build(LoadedFile file,
            const std::string& path,
            at::ScalarType dtype,
            at::Device device) {
  const auto config = FromJson<Config>(file.metadata[kConfigKey], path + ": config");
  CheckpointParameters source(std::move(file.tensors), path, dtype, device);
  Model model(&source, config);
  source.Finish();
  return model;
}

}  // namespace

std::string DefaultShapesWeightsFolder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path() / "share" / "teacache" / "shapes").string();
}

ShapesModel LoadShapesModel(const std::string& folder, at::ScalarType dtype, at::Device device) {
  const std::string sums_path = PathIn(folder, kSumsFile);
  if (!fs::exists(sums_path)) {
    ThrowUserError(folder,
                   "must be a folder with {}, {} and {}",
                   kAutoencoderFile,
                   kTransformerFile,
                   kSumsFile);
  }
  const auto sums = ReadSums(sums_path);
  LoadedFile autoencoder = LoadChecked(folder, kAutoencoderFile, sums);
  LoadedFile transformer = LoadChecked(folder, kTransformerFile, sums);
  std::map<std::string, std::string> metadata = transformer.metadata;
  const int64_t parameters = CountElements(transformer.tensors);
  return {
      Build<ShapesAutoencoder, ShapesAutoencoderConfig>(
          std::move(autoencoder),
          PathIn(folder, kAutoencoderFile),
          at::kFloat,  // decoding is cheap and sets the pictures' exactness
          device),
      Build<ShapesTransformer, ShapesTransformerConfig>(
          std::move(transformer), PathIn(folder, kTransformerFile), dtype, device),
      std::move(metadata),
      sums.at(kTransformerFile),
      sums.at(kAutoencoderFile),
      parameters};
}

void SaveShapesWeights(const std::string& folder,
                       const TensorMap& autoencoder,
                       const ShapesAutoencoderConfig& autoencoder_config,
                       const TensorMap& transformer,
                       const ShapesTransformerConfig& transformer_config,
                       const std::map<std::string, std::string>& metadata) {
  MakeFolders(folder);
  const auto save = [&](const char* name, const TensorMap& tensors, const auto& config) {
    std::map<std::string, std::string> with_config = metadata;
    with_config[kConfigKey] = ToJson(config, "config");
    SaveTensors(PathIn(folder, name), ToHalf(tensors), with_config);
    return Sha256HexOfFile(PathIn(folder, name)) + "  " + name + "\n";
  };
  const std::string sums = save(kAutoencoderFile, autoencoder, autoencoder_config) +
                           save(kTransformerFile, transformer, transformer_config);
  AtomicWriteFile(PathIn(folder, kSumsFile), sums);
}

}  // namespace teacache
