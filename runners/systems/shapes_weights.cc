#include "runners/systems/shapes_weights.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/tensors/torch_tensors.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kAutoencoderFile = "autoencoder.safetensors";
constexpr const char* kTransformerFile = "transformer.safetensors";
constexpr const char* kSumsFile = "SHA256SUMS";
constexpr const char* kConfigKey = "config";

std::string PathIn(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

json ToJson(const ShapesAutoencoderConfig& c) {
  return {{"latent_channels", c.latent_channels},
          {"widths", c.widths},
          {"code_size", c.code_size},
          {"code_width", c.code_width},
          {"code_encoder_blocks", c.code_encoder_blocks},
          {"code_decoder_blocks", c.code_decoder_blocks}};
}

json ToJson(const ShapesTransformerConfig& c) {
  return {{"depth", c.depth},
          {"hidden_size", c.hidden_size},
          {"num_heads", c.num_heads},
          {"patch_frames", c.patch_frames},
          {"channels", c.channels},
          {"side", c.side},
          {"word_channels", c.word_channels}};
}

ShapesAutoencoderConfig AutoencoderConfig(const json& j) {
  ShapesAutoencoderConfig c;
  j.at("latent_channels").get_to(c.latent_channels);
  j.at("widths").get_to(c.widths);
  j.at("code_size").get_to(c.code_size);
  j.at("code_width").get_to(c.code_width);
  j.at("code_encoder_blocks").get_to(c.code_encoder_blocks);
  j.at("code_decoder_blocks").get_to(c.code_decoder_blocks);
  return c;
}

ShapesTransformerConfig TransformerConfig(const json& j) {
  ShapesTransformerConfig c;
  j.at("depth").get_to(c.depth);
  j.at("hidden_size").get_to(c.hidden_size);
  j.at("num_heads").get_to(c.num_heads);
  j.at("patch_frames").get_to(c.patch_frames);
  j.at("channels").get_to(c.channels);
  j.at("side").get_to(c.side);
  j.at("word_channels").get_to(c.word_channels);
  return c;
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
  json config;
};

LoadedFile LoadChecked(const std::string& folder,
                       const std::string& name,
                       const std::map<std::string, std::string>& sums) {
  CheckDigest(folder, name, sums);
  const std::string path = PathIn(folder, name);
  LoadedFile file;
  file.metadata = SafetensorsFile::Open(path).metadata();
  file.tensors = LoadTensors(path);
  file.config = TryParseJson(file.metadata[kConfigKey]);
  if (!file.config.is_object())
    ThrowUserError(path, "metadata must hold the model's config as JSON");
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
            Config (*parse)(const json&),
            at::ScalarType dtype,
            at::Device device) {
  Config config;
  try {
    config = parse(file.config);
  } catch (const json::exception& error) {
    ThrowUserError(path, "the model's config is not complete: {}", error.what());
  }
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
      Build<ShapesAutoencoder>(std::move(autoencoder),
                               PathIn(folder, kAutoencoderFile),
                               &AutoencoderConfig,
                               at::kFloat,  // decoding is cheap and sets the pictures' exactness
                               device),
      Build<ShapesTransformer>(std::move(transformer),
                               PathIn(folder, kTransformerFile),
                               &TransformerConfig,
                               dtype,
                               device),
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
  const auto save = [&](const char* name, const TensorMap& tensors, const json& config) {
    std::map<std::string, std::string> with_config = metadata;
    with_config[kConfigKey] = config.dump();
    SaveTensors(PathIn(folder, name), ToHalf(tensors), with_config);
    return Sha256HexOfFile(PathIn(folder, name)) + "  " + name + "\n";
  };
  const std::string sums = save(kAutoencoderFile, autoencoder, ToJson(autoencoder_config)) +
                           save(kTransformerFile, transformer, ToJson(transformer_config));
  AtomicWriteFile(PathIn(folder, kSumsFile), sums);
}

}  // namespace teacache
