#include "metrics/pairs/pairing.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/video/video.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// Containers and coded streams that libav reads, and tensors. A folder's files of other endings are
// probed (VideosLeftOut).
const std::set<std::string> kVideoExtensions = {
    ".264",         ".265", ".3g2",   ".3gp",  ".apng", ".asf",  ".avi", ".avs2", ".dv",   ".f4v",
    ".flv",         ".gif", ".gxf",   ".h264", ".h265", ".hevc", ".ivf", ".m1v",  ".m2t",  ".m2ts",
    ".m2v",         ".m4v", ".mjpeg", ".mjpg", ".mk3d", ".mkv",  ".mov", ".mp4",  ".mpeg", ".mpg",
    ".mpv",         ".mts", ".mxf",   ".nut",  ".obu",  ".ogm",  ".ogv", ".qt",   ".rm",   ".rmvb",
    ".safetensors", ".ts",  ".vob",   ".webm", ".wmv",  ".wtv",  ".y4m"};
const std::set<std::string> kPictureExtensions = {".png", ".jpg", ".jpeg"};
// Pictures that are items of their own only.
const std::set<std::string> kOtherPictureExtensions = {
    ".avif", ".bmp", ".exr", ".jxl", ".pgm", ".ppm", ".tga", ".tif", ".tiff", ".webp"};

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool HasExtension(const fs::path& path, const std::set<std::string>& extensions) {
  return extensions.count(Lower(path.extension().string())) > 0;
}

bool IsPictureFolder(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (entries->path().filename().string()[0] != '.' &&
        HasExtension(entries->path(), kPictureExtensions) && entries->is_regular_file(ignored)) {
      return true;
    }
  }
  return false;
}

bool IsPicture(const fs::path& path) {
  return HasExtension(path, kPictureExtensions) || HasExtension(path, kOtherPictureExtensions);
}

bool CanBeListed(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator(folder, error);
  return !error;
}

// Whether a link leads back to one of the folders on its own path.
bool IsLinkToAbove(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error)) return false;
  const fs::path target = fs::canonical(path, error);
  const fs::path place = fs::canonical(path.parent_path(), error);
  return !error && std::mismatch(target.begin(), target.end(), place.begin(), place.end()).first ==
                       target.end();
}

// Adds what is in `folder`; `prefix` is its name below the searched one ("" or "a/b/"). A folder
// that cannot be listed counts as a video, so that its row says why.
void SearchFolder(const fs::path& folder,
                  const std::string& prefix,
                  bool recursive,
                  std::vector<NamedVideo>* videos) {
  for (const std::string& name : ListFolder(folder.string())) {
    const fs::path path = folder / name;
    std::error_code error;
    if (fs::is_directory(path, error)) {
      if (IsPictureFolder(path) || !CanBeListed(path)) {
        videos->push_back({prefix + name, path.string()});
      } else if (recursive && !IsLinkToAbove(path)) {
        SearchFolder(path, prefix + name + "/", recursive, videos);
      }
    } else if (HasExtension(path, kVideoExtensions)) {
      videos->push_back({prefix + path.stem().string(), path.string()});
    }
  }
}

void SearchPictures(const fs::path& folder,
                    const std::string& prefix,
                    bool recursive,
                    std::vector<NamedVideo>* pictures) {
  for (const std::string& name : ListFolder(folder.string())) {
    const fs::path path = folder / name;
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      if (IsPicture(path)) pictures->push_back({prefix + path.stem().string(), path.string()});
    } else if (recursive && !IsLinkToAbove(path)) {
      SearchPictures(path, prefix + name + "/", recursive, pictures);
    }
  }
}

std::vector<NamedVideo> ReadList(const std::string& file) {
  std::vector<NamedVideo> videos;
  std::istringstream lines(ReadFile(file));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const fs::path path = fs::path(file).parent_path() / line;
    std::error_code error;
    const bool folder = fs::is_directory(path, error);
    videos.push_back({folder ? path.filename().string() : path.stem().string(), path.string()});
  }
  return videos;
}

void SortAndCheck(const std::string& source, std::vector<NamedVideo>* videos) {
  std::sort(videos->begin(), videos->end(), [](const NamedVideo& a, const NamedVideo& b) {
    return NaturalLess(a.name, b.name);
  });
  for (size_t i = 1; i < videos->size(); ++i) {
    const NamedVideo &a = (*videos)[i - 1], &b = (*videos)[i];
    if (a.name == b.name) {
      ThrowUserError(source,
                     "names of videos must differ (extensions aside) but \"{}\" and \"{}\" are "
                     "both \"{}\"",
                     a.path,
                     b.path,
                     a.name);
    }
  }
}

// Does a folder hold something that --recursive would find? By names only.
bool HoldsVideos(const fs::path& folder, int depth) {
  constexpr int kMaxDepth = 8;
  if (IsPictureFolder(folder)) return true;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    const fs::path& path = entries->path();
    if (path.filename().string()[0] == '.') continue;
    if (!entries->is_directory(ignored)
            ? HasExtension(path, kVideoExtensions)
            : depth < kMaxDepth && !IsLinkToAbove(path) && HoldsVideos(path, depth + 1)) {
      return true;
    }
  }
  return false;
}

void SearchLeftOut(const fs::path& folder,
                   bool recursive,
                   const std::set<std::string>& scored,
                   std::vector<std::string>* left_out) {
  if (!CanBeListed(folder)) return;                         // its row says so
  const bool pictures = scored.count(folder.string()) > 0;  // of a scored folder
  for (const std::string& name : ListFolder(folder.string())) {
    const fs::path path = folder / name;
    std::error_code error;
    if (scored.count(path.string()) > 0) {
      if (fs::is_directory(path, error)) SearchLeftOut(path, recursive, scored, left_out);
    } else if (fs::is_directory(path, error)) {
      if (recursive && !pictures && !IsLinkToAbove(path)) {
        SearchLeftOut(path, recursive, scored, left_out);
      } else if (HoldsVideos(path, 0)) {
        left_out->push_back(path.string() + "/");
      }
    } else if (fs::is_regular_file(path, error) &&
               !(pictures && HasExtension(path, kPictureExtensions)) &&
               (HasExtension(path, kVideoExtensions) || CouldBeVideo(path.string()))) {
      left_out->push_back(path.string());
    }
  }
}

// A run folder of generate-videos stands for the videos in it.
fs::path FolderOfVideos(const std::string& source) {
  std::error_code error;
  const fs::path path(source);
  const bool is_run =
      fs::is_regular_file(path / "run.json", error) && fs::is_directory(path / "videos", error);
  return is_run ? path / "videos" : path;
}

std::string RemoveAll(std::string text, const std::string& what) {
  for (size_t at; (at = text.find(what)) != std::string::npos;) text.erase(at, what.size());
  return text;
}

}  // namespace

std::vector<std::string> VideoFileEndings() {
  std::vector<std::string> endings(kVideoExtensions.begin(), kVideoExtensions.end());
  endings.insert(endings.end(), kPictureExtensions.begin(), kPictureExtensions.end());
  return endings;
}

Items ParseItems(const std::string& name) {
  if (name == "videos") return Items::kVideos;
  if (name == "pictures") return Items::kPictures;
  ThrowUserError("--items", "must be videos or pictures but is \"{}\"", name);
}

std::vector<NamedVideo> FindVideos(const std::string& source, bool recursive, Items items) {
  std::error_code error;
  const fs::path path = FolderOfVideos(source);
  if (!fs::exists(path, error)) {
    ThrowUserError(source, "must be a video, a folder or a list of videos but does not exist");
  }
  std::vector<NamedVideo> videos;
  if (!fs::is_directory(path, error)) {
    if (Lower(path.extension().string()) == ".txt") {
      videos = ReadList(source);
    } else {
      videos.push_back({path.stem().string(), source});
    }
  } else if (items == Items::kPictures) {
    SearchPictures(path, "", recursive, &videos);
    if (videos.empty()) ThrowUserError(source, "must hold pictures but holds none");
  } else if (IsPictureFolder(path)) {
    const fs::path clean = path.has_filename() ? path : path.parent_path();
    videos.push_back({clean.filename().string(), source});
  } else {
    SearchFolder(path, "", recursive, &videos);
  }
  if (videos.empty()) {
    ThrowUserError(
        source,
        "must hold videos (mp4, mkv, webm, avi, mov, ts, y4m, ..., safetensors) or folders "
        "of PNG or JPEG pictures but holds none{}",
        recursive ? "" : " (use --recursive to search folders in it)");
  }
  SortAndCheck(source, &videos);
  return videos;
}

std::vector<std::string> VideosLeftOut(const std::string& source,
                                       bool recursive,
                                       const std::vector<std::string>& scored) {
  std::vector<std::string> left_out;
  std::error_code error;
  if (!fs::is_directory(source, error)) return left_out;
  SearchLeftOut(FolderOfVideos(source), recursive, {scored.begin(), scored.end()}, &left_out);
  return left_out;
}

Pairing PairByName(const std::vector<NamedVideo>& gt, const std::vector<NamedVideo>& gen) {
  Pairing pairing;
  if (gt.size() == 1 && gen.size() == 1) {
    pairing.pairs.push_back({gen[0].name, gt[0].path, gen[0].path});
    return pairing;
  }
  std::map<std::string, std::string> gt_paths;
  for (const NamedVideo& video : gt) gt_paths[video.name] = video.path;
  for (const NamedVideo& video : gen) {
    const auto found = gt_paths.find(video.name);
    if (found == gt_paths.end()) {
      pairing.unmatched_gen.push_back(video.path);
    } else {
      pairing.pairs.push_back({video.name, found->second, video.path});
      gt_paths.erase(found);
    }
  }
  for (const NamedVideo& video : gt) {
    if (gt_paths.count(video.name) > 0) pairing.unmatched_gt.push_back(video.path);
  }
  std::sort(pairing.pairs.begin(), pairing.pairs.end(), [](const auto& a, const auto& b) {
    return NaturalLess(a.name, b.name);
  });
  return pairing;
}

Pairing PairAsTeaCache(const std::string& gt,
                       const std::string& gen,
                       const std::vector<std::string>& order) {
  std::error_code error;
  for (const std::string& folder : {gt, gen}) {
    if (!fs::is_directory(folder, error)) {
      ThrowUserError(folder, "must be a folder of .mp4 files (as TeaCache's eval.py reads it)");
    }
  }
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(gen)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(".mp4")) names.push_back(RemoveAll(file, ".mp4"));
  }
  if (names.empty()) {
    ThrowUserError(gen,
                   "must hold .mp4 files (lower case, as TeaCache's eval.py wants) but holds none");
  }
  std::sort(names.begin(), names.end());
  if (!order.empty()) {
    std::vector<std::string> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    if (sorted != names) {
      ThrowUserError(gen,
                     "the order to repeat must name each of the {} videos once but has {} names{}",
                     names.size(),
                     order.size(),
                     sorted.size() == names.size() ? ", of which some differ" : "");
    }
    names = order;
  }
  Pairing pairing;
  for (const std::string& name : names) {
    const VideoPair pair{name,
                         (fs::path(gt) / (name + ".mp4")).string(),
                         (fs::path(gen) / (name + ".mp4")).string()};
    for (const std::string& path : {pair.gt, pair.gen}) {
      if (!fs::exists(path, error)) {
        ThrowUserError(path, "must exist (TeaCache's eval.py stops here too) but does not");
      }
    }
    pairing.pairs.push_back(pair);
  }
  return pairing;
}

}  // namespace teacache
