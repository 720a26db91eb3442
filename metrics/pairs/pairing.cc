#include "metrics/pairs/pairing.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

const std::set<std::string> kVideoExtensions = {
    ".mp4", ".mkv", ".webm", ".avi", ".mov", ".y4m", ".m4v", ".gif", ".safetensors"};
const std::set<std::string> kPictureExtensions = {".png", ".jpg", ".jpeg"};

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

std::vector<NamedVideo> FindVideos(const std::string& source, bool recursive) {
  std::error_code error;
  const fs::path path(source);
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
  } else if (IsPictureFolder(path)) {
    const fs::path clean = path.has_filename() ? path : path.parent_path();
    videos.push_back({clean.filename().string(), source});
  } else {
    SearchFolder(path, "", recursive, &videos);
  }
  if (videos.empty()) {
    ThrowUserError(source,
                   "must hold videos (mp4, mkv, webm, avi, mov, y4m, gif, safetensors) or folders "
                   "of PNG or JPEG pictures but holds none{}",
                   recursive ? "" : " (use --recursive to search folders in it)");
  }
  SortAndCheck(source, &videos);
  return videos;
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
