// The layer rule: datasets < calib < metrics, runners < reports; a lower layer never includes a
// higher one, and what is heavy or foreign stays where it belongs.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "tests/architecture/source_tree.h"
#include "tests/support/paths.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Folder -> folders whose headers it may include.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"datasets", {"datasets"}},
    {"calib", {"datasets", "calib"}},
    {"metrics", {"datasets", "metrics"}},
    {"runners", {"datasets", "calib", "runners"}},
    {"reports", {"datasets", "calib", "metrics", "runners", "reports"}},
};

// The boundary to LibTorch in datasets, its own library (teacache::datasets_torch).
const std::set<std::string> kTensorBoundary = {"datasets/tensors/torch_device.h",
                                               "datasets/tensors/torch_device.cc",
                                               "datasets/tensors/torch_tensors.h",
                                               "datasets/tensors/torch_tensors.cc"};

const std::vector<SourceFile>& Tree() {
  static const std::vector<SourceFile> tree = ReadSourceTree(SourceDir());
  return tree;
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.find('/')); }

bool StartsWithAny(const std::string& path, const std::vector<std::string>& starts) {
  return std::ranges::any_of(starts,
                             [&path](const std::string& start) { return path.starts_with(start); });
}

bool IsTorch(const IncludeLine& include) {
  return StartsWithAny(include.path, {"ATen/", "torch/", "c10/", "caffe2/"}) ||
         kTensorBoundary.contains(include.path);
}

std::string At(const SourceFile& file, const IncludeLine& include) {
  return fmt::format("{}:{} includes {}", file.path, include.line, include.path);
}

std::vector<std::string> LayerViolations(const std::vector<SourceFile>& tree) {
  std::vector<std::string> violations;
  for (const SourceFile& file : tree) {
    for (const IncludeLine& include : file.includes) {
      if (include.angle) continue;
      const std::string folder = FolderOf(include.path);
      const bool known = kMayInclude.contains(folder);
      if (!known || !kMayInclude.at(file.folder).contains(folder)) {
        violations.push_back(At(file, include));
      }
    }
  }
  return violations;
}

std::vector<std::string> TorchViolations(const std::vector<SourceFile>& tree) {
  std::vector<std::string> violations;
  for (const SourceFile& file : tree) {
    if (file.folder != "calib" && file.folder != "datasets") continue;
    if (kTensorBoundary.contains(file.path)) continue;
    for (const IncludeLine& include : file.includes) {
      if (IsTorch(include)) violations.push_back(At(file, include));
    }
  }
  return violations;
}

// Headers that show types of Ceres, OpenCV, libav or CUDA, directly or through others.
std::set<std::string> PrivateHeaders(const std::vector<SourceFile>& tree) {
  const std::vector<std::string> foreign = {
      "ceres/", "opencv2/", "libav", "libsw", "cuda", "cublas", "cudnn", "thrust/"};
  std::set<std::string> found;
  for (bool more = true; more;) {
    more = false;
    for (const SourceFile& file : tree) {
      if (!file.is_header() || found.contains(file.path)) continue;
      const bool shows = std::ranges::any_of(file.includes, [&](const IncludeLine& include) {
        return StartsWithAny(include.path, foreign) || found.contains(include.path);
      });
      if (shows) more = found.insert(file.path).second;
    }
  }
  return found;
}

// Such headers are for the sources of their own folder only.
std::vector<std::string> ForeignTypeViolations(const std::vector<SourceFile>& tree) {
  const std::set<std::string> hidden = PrivateHeaders(tree);
  std::vector<std::string> violations;
  for (const SourceFile& file : tree) {
    for (const IncludeLine& include : file.includes) {
      if (hidden.contains(include.path) && FolderOf(include.path) != file.folder) {
        violations.push_back(At(file, include));
      }
    }
  }
  return violations;
}

SourceFile MakeFile(const std::string& path, const std::string& text) {
  return {path, FolderOf(path), text, ParseIncludes(text)};
}

TEST(Layers, SourcesAreFound) {
  EXPECT_GT(Tree().size(), 40u);
  std::set<std::string> folders;
  for (const SourceFile& file : Tree()) folders.insert(file.folder);
  EXPECT_EQ(folders.size(), kMayInclude.size());
}

TEST(Layers, LowerNeverIncludesHigher) { EXPECT_THAT(LayerViolations(Tree()), IsEmpty()); }

TEST(Layers, CalibAndDatasetsAreFreeOfLibTorch) { EXPECT_THAT(TorchViolations(Tree()), IsEmpty()); }

TEST(Layers, ForeignTypesStayInTheirFolder) {
  EXPECT_THAT(ForeignTypeViolations(Tree()), IsEmpty());
}

TEST(Layers, DeviceCodeOnlyInCudaFiles) {
  const std::regex device(R"(\b__(global|device|shared)__\b|<<<)");
  for (const SourceFile& file : Tree()) {
    if (file.path.ends_with(".cu") || file.path.ends_with(".cuh")) continue;
    EXPECT_FALSE(std::regex_search(file.text, device)) << file.path;
  }
}

// What only main functions use: RunProgram, and the progress printer that they construct.
const std::set<std::string> kMaySpeak = {"datasets/base/program.h", "datasets/base/progress.cc"};

TEST(Layers, LibrariesNeitherPrintNorAbort) {
  const std::regex speaks(
      R"(\bstd::(cout|cerr|exit|abort|terminate|printf)\b|\bfmt::print\(|[^\w.>:](printf|exit|abort)\()");
  for (const SourceFile& file : Tree()) {
    if (file.path.ends_with("_main.cc") || kMaySpeak.contains(file.path)) continue;
    std::smatch match;
    EXPECT_FALSE(std::regex_search(file.text, match, speaks)) << file.path << ": " << match.str();
  }
}

// The rules find what they are for.
TEST(Layers, RulesFindViolations) {
  const std::vector<SourceFile> tree = {
      MakeFile("calib/a.h", "#include \"metrics/b.h\"\n// #include \"reports/c.h\"\n"),
      MakeFile("calib/t.cc", "\n#include <ATen/core/Tensor.h>\n"),
      MakeFile("datasets/frame.h", "#include <opencv2/core.hpp>\n"),
      MakeFile("datasets/user.h", "#include \"datasets/frame.h\"\n"),
      MakeFile("metrics/b.cc",
               "/* one\n#include \"reports/x.h\"\n*/\n#include \"datasets/user.h\"\n"),
      MakeFile("reports/c.cc", "#include \"tests/support/temp_dir.h\"\n"),
  };
  EXPECT_THAT(LayerViolations(tree),
              ElementsAre("calib/a.h:1 includes metrics/b.h",
                          "reports/c.cc:1 includes tests/support/temp_dir.h"));
  EXPECT_THAT(TorchViolations(tree), ElementsAre("calib/t.cc:2 includes ATen/core/Tensor.h"));
  EXPECT_THAT(ForeignTypeViolations(tree), ElementsAre("metrics/b.cc:4 includes datasets/user.h"));
}

}  // namespace
}  // namespace teacache
