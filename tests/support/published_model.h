#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include "datasets/base/files.h"
#include "tests/support/paths.h"

namespace teacache {

using TensorShapes = std::map<std::string, std::vector<int64_t>>;

// "a.{0..2}.b" -> a.0.b, a.1.b, a.2.b; several ranges make all combinations.
inline std::vector<std::string> ExpandRanges(const std::string& pattern) {
  static const std::regex kRange(R"(\{(\d+)\.\.(\d+)\})");
  std::smatch match;
  if (!std::regex_search(pattern, match, kRange)) return {pattern};
  std::vector<std::string> names;
  for (int i = std::stoi(match[1]); i <= std::stoi(match[2]); ++i) {
    const std::string rest = match.suffix();
    for (const std::string& tail : ExpandRanges(rest)) {
      names.push_back(fmt::format("{}{}{}", match.prefix().str(), i, tail));
    }
  }
  return names;
}

// What the reference's own module holds at its published size, of tests/published/`name`.json (see
// the README.md there).
struct PublishedModel {
  nlohmann::json config;
  TensorShapes shapes;

  static PublishedModel Read(const std::string& name) {
    const std::filesystem::path file =
        std::filesystem::path(SourceDir()) / "tests" / "published" / (name + ".json");
    const nlohmann::json json = nlohmann::json::parse(ReadFile(file.string()));
    PublishedModel model{json.at("config"), {}};
    for (const auto& [pattern, shape] : json.at("tensors").items()) {
      for (const std::string& key : ExpandRanges(pattern)) {
        if (!model.shapes.emplace(key, shape.get<std::vector<int64_t>>()).second) {
          throw std::runtime_error(key + " is listed twice in " + file.string());
        }
      }
    }
    return model;
  }
};

inline int64_t Elements(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

// A float32 .safetensors file of these tensors whose values are a hole: gigabytes to a reader,
// almost nothing on the disk. All values are 0.
inline void WriteHollowSafetensors(const std::filesystem::path& path, const TensorShapes& shapes) {
  nlohmann::json header;
  int64_t end = 0;
  for (const auto& [name, shape] : shapes) {
    const int64_t begin = end;
    end += 4 * Elements(shape);
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xFF);
  std::ofstream(path, std::ios::binary) << length << text;
  std::filesystem::resize_file(path, 8 + text.size() + static_cast<uint64_t>(end));
}

// folder/config.json and folder/`stem`.safetensors; with `shards` above 1 that many files and
// their index instead, as large encoders are published.
inline void WriteHollowModel(const std::filesystem::path& folder,
                             const PublishedModel& model,
                             const std::string& stem = "diffusion_pytorch_model",
                             int shards = 1) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << model.config.dump(1);
  if (shards == 1) {
    WriteHollowSafetensors(folder / (stem + ".safetensors"), model.shapes);
    return;
  }
  std::vector<TensorShapes> parts(static_cast<size_t>(shards));
  nlohmann::json index = {{"metadata", {{"total_size", 0}}}};
  size_t next = 0;
  for (const auto& [name, shape] : model.shapes) {
    const size_t part = next++ % parts.size();
    parts[part][name] = shape;
    index["weight_map"][name] =
        fmt::format("{}-{:05}-of-{:05}.safetensors", stem, part + 1, shards);
  }
  for (size_t part = 0; part < parts.size(); ++part) {
    WriteHollowSafetensors(
        folder / fmt::format("{}-{:05}-of-{:05}.safetensors", stem, part + 1, shards), parts[part]);
  }
  std::ofstream(folder / (stem + ".safetensors.index.json")) << index.dump(1);
}

}  // namespace teacache
