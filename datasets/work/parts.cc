#include "datasets/work/parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <system_error>

#include "datasets/base/files.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::string PartPath(const std::string& path, const Shard& shard) {
  if (shard.count <= 1 || path.empty() || PlaceOf(path) == OutputPlace::kStream) return path;
  const fs::path p(path);
  const std::string name = fmt::format(
      "{}.part-{}-of-{}{}", p.stem().string(), shard.index, shard.count, p.extension().string());
  return (p.parent_path() / name).string();
}

std::vector<std::string> FindParts(const std::string& path) {
  static const std::regex kPart(R"((.*)\.part-\d+-of-\d+(\.[^.]*)?)");
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  if (!is_folder && fs::exists(path, error)) return {path};
  const fs::path whole(path);
  fs::path folder = is_folder ? whole : whole.parent_path();
  if (folder.empty()) folder = ".";
  std::vector<std::string> parts;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    std::smatch match;
    if (!std::regex_match(name, match, kPart)) continue;
    // The journals and tables of parts are none.
    if (is_folder ? match[2] != ".json" : match[1].str() + match[2].str() != whole.filename()) {
      continue;
    }
    parts.push_back((is_folder ? whole / name : whole.parent_path() / name).string());
  }
  std::ranges::sort(parts, NaturalLess);
  if (parts.empty()) parts.push_back(path);
  return parts;
}

std::string PartText(const Shard& shard) {
  if (shard.count <= 1) return "";
  return fmt::format("part {} of {}, by {} (--shard 0/1 does all of it)",
                     shard.index,
                     shard.count,
                     shard.source.empty() ? "request" : shard.source);
}

std::string LastLine(const Shard& shard) {
  return shard.count > 1 ? fmt::format("This is {}.\n", PartText(shard)) : "";
}

void NotePart(const Shard& shard, ProgressSink* progress) {
  if (progress != nullptr && shard.count > 1) progress->Note(PartText(shard));
}

}  // namespace teacache
