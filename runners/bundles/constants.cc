#include "runners/bundles/constants.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostNames = 40;  // of a message

// Float32 pairs as complex numbers.
TensorView AsComplex(const TensorView& pairs, const std::string& where) {
  if (pairs.dtype != DType::kF32 || pairs.shape.empty() || pairs.shape.back() != 2) {
    ThrowUserError(where,
                   "constant \"{}\" must be pairs of float32, since it is complex, but is {}",
                   pairs.name,
                   DescribeTensor({pairs.shape, pairs.dtype}));
  }
  TensorView numbers = pairs;
  numbers.dtype = DType::kC64;
  numbers.shape.pop_back();
  return numbers;
}

}  // namespace

std::string BundlePath(const BundleManifest& manifest,
                       const BundleExpert& expert,
                       const BundleFile& file) {
  return (fs::path(manifest.folder) / expert.folder / file.file).lexically_normal().string();
}

void CheckBundleDigest(const std::string& path, const BundleFile& file) {
  const std::string digest = Sha256HexOfFile(path);
  if (digest != file.sha256) {
    ThrowUserError(path,
                   "must have the SHA-256 of the bundle's manifest, {}..., but has {}...: it was "
                   "changed, or is of another version",
                   file.sha256.substr(0, 12),
                   digest.substr(0, 12));
  }
}

BundleConstants FindBundleConstants(const BundleExpert& expert,
                                    const std::vector<SafetensorsFile>& files,
                                    const std::string& where) {
  const std::set<std::string> complex(expert.complex.begin(), expert.complex.end());
  BundleConstants constants;
  std::set<std::string> missing;
  for (const auto& [name, part] : expert.parts) {
    for (const std::string& key : part.constants) {
      if (constants.contains(key)) continue;
      const TensorView* found = nullptr;
      for (const SafetensorsFile& file : files) {
        if (found == nullptr) found = file.Find(key);
      }
      if (found == nullptr) {
        missing.insert(key);
      } else {
        constants[key] = complex.contains(key) ? AsComplex(*found, where) : *found;
      }
    }
  }
  if (!missing.empty()) {
    std::vector<std::string> shown(missing.begin(), missing.end());
    if (shown.size() > kMostNames) shown.resize(kMostNames);
    ThrowUserError(where,
                   "the files of weights must hold every constant but {} are missing: {}{}",
                   missing.size(),
                   fmt::join(shown, ", "),
                   missing.size() > shown.size() ? ", ..." : "");
  }
  return constants;
}

BundleConstants FindBundleConstants(const BundleManifest& manifest, const BundleExpert& expert) {
  std::vector<BundleFile> listed = {expert.constants};
  listed.insert(listed.end(), expert.weights.begin(), expert.weights.end());
  std::vector<std::string> missing;
  for (const BundleFile& file : listed) {
    const std::string path = BundlePath(manifest, expert, file);
    if (!fs::exists(path)) missing.push_back(path);
  }
  if (!missing.empty()) {
    ThrowUserError(manifest.path, "files must exist but are missing: {}", fmt::join(missing, ", "));
  }
  std::vector<SafetensorsFile> files;
  for (const BundleFile& file : listed) {
    const std::string path = BundlePath(manifest, expert, file);
    CheckBundleDigest(path, file);
    files.push_back(SafetensorsFile::Open(path));
  }
  return FindBundleConstants(expert, files, manifest.folder);
}

}  // namespace teacache
