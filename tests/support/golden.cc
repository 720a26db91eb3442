#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "tests/support/paths.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> GoldenFolders() {
  std::vector<fs::path> folders;
  const char* variable = std::getenv("TEACACHE_GOLDEN_DIR");
  if (variable == nullptr || *variable == '\0') {
    folders.push_back(fs::path(SourceDir()) / "tests" / "golden");
    return folders;
  }
  std::istringstream list(variable);
  for (std::string folder; std::getline(list, folder, ':');) {
    if (!folder.empty()) {
      folders.emplace_back(folder);
    }
  }
  return folders;
}

// The `kind` of a JSON file; "" for files that are no golden case (traces, maps of tensors).
std::string KindOf(const nlohmann::json& json) {
  if (!json.is_object()) {
    return "";
  }
  const auto kind = json.find("kind");
  return kind != json.end() && kind->is_string() ? kind->get<std::string>() : "";
}

std::vector<fs::path> JsonFiles(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() == ".json") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<GoldenCase> FindGoldenCases(std::string_view kind) {
  std::vector<GoldenCase> cases;
  for (const fs::path& folder : GoldenFolders()) {
    if (!fs::is_directory(folder)) {
      ADD_FAILURE() << "golden folder " << folder << " does not exist";
      continue;
    }
    const size_t before = cases.size();
    for (const fs::path& file : JsonFiles(folder)) {
      std::ifstream stream(file);
      nlohmann::json json = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
      if (json.is_discarded()) {
        ADD_FAILURE() << "golden file " << file << " is not valid JSON";
        continue;
      }
      if (KindOf(json) == kind) {
        cases.push_back({file.stem().string(), file, file.parent_path(), std::move(json)});
      }
    }
    if (cases.size() == before) {
      std::cout << "golden folder " << folder << " has no case of kind " << kind << std::endl;
    }
  }
  if (cases.empty()) {
    ADD_FAILURE() << "no golden case of kind \"" << kind << "\" was found";
  }
  return cases;
}

GoldenCase OwnGoldenCase(const std::string& name) {
  const fs::path folder = fs::path(SourceDir()) / "tests" / "golden" / "models";
  const fs::path file = folder / (name + ".json");
  std::ifstream stream(file);
  return {name, file, folder, nlohmann::json::parse(stream)};
}

std::optional<fs::path> SharedGoldenFile(std::string_view name) {
  const char* variable = std::getenv("TEACACHE_SHARED_GOLDEN_DIR");
  const fs::path folder = variable != nullptr && *variable != '\0'
                              ? fs::path(variable)
                              : fs::path(SourceDir()) / ".." / "shared" / "golden";
  const fs::path file = folder / name;
  if (!fs::exists(file)) {
    return std::nullopt;
  }
  return file;
}

double GoldenNumber(const nlohmann::json& value) {
  if (value.is_number()) {
    return value.get<double>();
  }
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text == "nan") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (text == "inf" || text == "-inf") {
    const double infinity = std::numeric_limits<double>::infinity();
    return text == "inf" ? infinity : -infinity;
  }
  throw std::runtime_error("golden number expected, got " + text);
}

std::vector<double> GoldenNumbers(const nlohmann::json& values) {
  std::vector<double> numbers;
  for (const auto& value : values) {
    numbers.push_back(GoldenNumber(value));
  }
  return numbers;
}

}  // namespace teacache
