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

// The rooms of each folder from the ground up: a file may include its own room and those before it.
// A room is a folder, or a file by its name without extension where one file of a folder lies lower
// than its neighbours. A folder with rooms of its own below it stands for the files directly in it.
const std::vector<std::vector<std::string>> kRooms = {
    {"datasets/base",
     "datasets/work",
     "datasets/tensors",
     "datasets/video",
     "datasets/trace",
     "datasets/shapes",
     "datasets"},
    {"calib/fit",
     "calib/copies",
     "calib/predecessors",
     "calib/pairs",  // what everything above is computed from
     "calib/diagnosis",
     "calib/rules",
     "calib/plan",
     "calib/replay",
     "calib/importers",
     "calib/published_sets",
     "calib/expected_signal",  // of engines, by what is published for them
     "calib/emitters",
     "calib",
     "calib/report"},
    {"metrics/metric",  // the interface
     "metrics/pooling",
     "metrics/frames",
     "metrics/networks_module",  // loads what needs LibTorch
     "metrics/metric_list",
     "metrics/pairs",
     "metrics/lpips",
     "metrics/gpu",
     "metrics/vbench",
     "metrics/vbench/networks",
     "metrics"},
    {"runners/nn",
     "runners/schedulers",
     "runners/sampling",
     "runners/text/cleaning",
     "runners/models",
     "runners/vae",
     "runners/systems/system",  // the interface that text and sampling are written against
     "runners/text",
     "runners/systems",
     "runners/training",
     "runners/python",  // the bindings, beside the package
     "runners"},
    {"reports/kit",  // what every page and chart uses
     "reports/data",
     "reports/findings",
     "reports/writers",
     "reports/charts",
     "reports/pages",
     "reports/render",
     "reports/sweep",
     "reports"},
};

// Arrows that run up inside a folder, and why. Few, and none without a reason.
const std::map<std::string, std::string> kUpward = {};

// Headers that only their own room includes (their tests aside).
const std::set<std::string> kPrivateHeaders = {
    "calib/emitters/emitter.h",
    "calib/fit/fit_ceres.h",
    "calib/fit/robust_start.h",
    "calib/importers/csv_reader.h",
    "calib/importers/importer.h",
    "datasets/tensors/byte_cursor.h",
    "datasets/tensors/unpickler.h",
    "datasets/tensors/zip_archive.h",
    "datasets/trace/trace_format.h",
    "datasets/video/container_crop.h",
    "datasets/video/eight_bits.h",
    "datasets/video/libav_handles.h",
    "datasets/video/video_sources.h",
    "metrics/frames/ssim_kernel.h",
    "metrics/lpips/distance.h",
    "metrics/lpips/distance_kernel.h",
    "metrics/pairs/pair_state.h",
    "runners/sampling/l1_kernel.h",
};

// The boundary to LibTorch in datasets, its own library (teacache::datasets_torch).
const std::set<std::string> kTensorBoundary = {"datasets/tensors/torch_device.h",
                                               "datasets/tensors/torch_device.cc",
                                               "datasets/tensors/torch_tensors.h",
                                               "datasets/tensors/torch_tensors.cc",
                                               "datasets/tensors/torch_threads.h"};

const std::vector<SourceFile>& Tree() {
  static const std::vector<SourceFile> tree = ReadSourceTree(SourceDir());
  return tree;
}

bool IsMain(const SourceFile& file) { return file.path.ends_with("_main.cc"); }

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
      if (IsMain(file) && kMayInclude.contains(folder)) continue;
      const bool known = kMayInclude.contains(folder);
      if (!known || !kMayInclude.at(file.folder).contains(folder)) {
        violations.push_back(At(file, include));
      }
    }
  }
  return violations;
}

std::string Stem(const std::string& path) { return path.substr(0, path.rfind('.')); }

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

// The place of a file's room in `rooms`; -1 for a file in none of them.
int RoomIndex(const std::vector<std::string>& rooms, const std::string& path) {
  for (const std::string& room : {Stem(path), ParentOf(path)}) {
    const auto found = std::ranges::find(rooms, room);
    if (found != rooms.end()) return static_cast<int>(found - rooms.begin());
  }
  return -1;
}

// Arrows from a room to one above it in the same folder, and files in no room. A program's main is
// the roof: it may include any room.
std::vector<std::string> RoomViolations(const std::vector<SourceFile>& tree) {
  std::vector<std::string> violations;
  for (const SourceFile& file : tree) {
    const auto rooms = std::ranges::find_if(
        kRooms, [&](const auto& list) { return FolderOf(list.front()) == file.folder; });
    const int own = RoomIndex(*rooms, file.path);
    if (own < 0) violations.push_back(file.path + " is in no room");
    if (own < 0 || IsMain(file)) continue;
    for (const IncludeLine& include : file.includes) {
      if (include.angle || FolderOf(include.path) != file.folder) continue;
      if (RoomIndex(*rooms, include.path) > own && !kUpward.contains(Stem(file.path))) {
        violations.push_back(At(file, include));
      }
    }
  }
  return violations;
}

std::vector<std::string> PrivateHeaderViolations(const std::vector<SourceFile>& tree) {
  std::vector<std::string> violations;
  for (const SourceFile& file : tree) {
    for (const IncludeLine& include : file.includes) {
      if (kPrivateHeaders.contains(include.path) && ParentOf(include.path) != ParentOf(file.path)) {
        violations.push_back(At(file, include));
      }
    }
  }
  return violations;
}

// "Only for that file" in a comment protects nothing: such headers belong into kPrivateHeaders.
std::vector<std::string> PrivateByComment(const std::vector<SourceFile>& tree) {
  const std::regex only(R"([Ff]or [\w/*.]*\.cc( files)?( of[^.]*)?( only)?[.;:])");
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    if (file.is_header() && std::regex_search(file.text, only)) found.push_back(file.path);
  }
  return found;
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

TEST(Layers, RoomsIncludeOnlyRoomsBelowThem) { EXPECT_THAT(RoomViolations(Tree()), IsEmpty()); }

TEST(Layers, PrivateHeadersStayInTheirRoom) {
  EXPECT_THAT(PrivateHeaderViolations(Tree()), IsEmpty());
}

TEST(Layers, NoHeaderIsPrivateByComment) { EXPECT_THAT(PrivateByComment(Tree()), IsEmpty()); }

TEST(Layers, ListedHeadersExist) {
  std::set<std::string> paths;
  for (const SourceFile& file : Tree()) paths.insert(file.path);
  for (const std::string& header : kPrivateHeaders) EXPECT_TRUE(paths.contains(header)) << header;
}

// A folder in which nobody finds anything is cut into rooms.
TEST(Layers, NoRoomHoldsThirtyFiles) {
  std::map<std::string, int> files;
  for (const SourceFile& file : Tree()) ++files[ParentOf(file.path)];
  for (const auto& [room, count] : files) EXPECT_LT(count, 30) << room;
}

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
  const std::vector<SourceFile> rooms = {
      MakeFile("calib/fit/fit.cc", "#include \"calib/pairs.h\"\n"),
      MakeFile("calib/cellar/a.cc", ""),
      MakeFile("calib/replay/replay.cc", "#include \"calib/importers/importer.h\"\n"),
      MakeFile("calib/fit_coeffs_main.cc", "#include \"reports/pages/fit_page.h\"\n"),
      MakeFile("calib/fit/secret.h", "// Eigen inside: for calib/fit/fit_ceres.cc only.\n"),
  };
  EXPECT_THAT(RoomViolations(rooms),
              ElementsAre("calib/fit/fit.cc:1 includes calib/pairs.h",
                          "calib/cellar/a.cc is in no room",
                          "calib/replay/replay.cc:1 includes calib/importers/importer.h"));
  EXPECT_THAT(PrivateHeaderViolations(rooms),
              ElementsAre("calib/replay/replay.cc:1 includes calib/importers/importer.h"));
  EXPECT_THAT(PrivateByComment(rooms), ElementsAre("calib/fit/secret.h"));
  EXPECT_THAT(LayerViolations(rooms), IsEmpty());
  EXPECT_THAT(ForeignTypeViolations(tree), ElementsAre("metrics/b.cc:4 includes datasets/user.h"));
}

}  // namespace
}  // namespace teacache
