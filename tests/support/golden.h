#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace teacache {

// One golden case: a JSON file with a "kind", and the files beside it.
struct GoldenCase {
  std::string name;              // file name without ".json"
  std::filesystem::path file;    // the JSON file
  std::filesystem::path folder;  // where it lies; other files of the case are relative to it
  nlohmann::json json;
};

// Every case of this kind below the folders of TEACACHE_GOLDEN_DIR (colon-separated; default
// <source>/tests/golden), in order of the folders, then of path. Call it from a test body: no case
// at all is a test failure, a folder without one is printed.
std::vector<GoldenCase> FindGoldenCases(std::string_view kind);

// The case `name` of <source>/tests/golden/models, whatever TEACACHE_GOLDEN_DIR says.
GoldenCase OwnGoldenCase(const std::string& name);

// A third-party file ("lpips/alex.pth") below TEACACHE_SHARED_GOLDEN_DIR (default
// <source>/../shared/golden), or nothing: then the test calls GTEST_SKIP() with a reason.
std::optional<std::filesystem::path> SharedGoldenFile(std::string_view name);

// A number of a golden file, where "nan", "inf" and "-inf" are strings.
double GoldenNumber(const nlohmann::json& value);
std::vector<double> GoldenNumbers(const nlohmann::json& values);

}  // namespace teacache
