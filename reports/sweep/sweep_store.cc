#include "reports/sweep/sweep_store.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "calib/rules/policy_options.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/work/stale_files.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Whatever the options of a sweep are, its finished work can be told by keys.
const json kSettings = {{"layout", 2}};

std::string JournalPath(const std::string& folder) {
  MakeFolders(folder);
  RemoveStaleTemporaries(folder);
  return (fs::path(folder) / "sweep.jsonl").string();
}

std::string CallsText(const std::vector<bool>& computed) {
  std::string text;
  for (const bool call : computed) text += call ? 'C' : 'S';
  return text;
}

json OptionalNumber(const std::optional<double>& value) {
  return value ? json(*value) : json(nullptr);
}
std::optional<double> NumberOrNone(const json& j) {
  return j.is_null() ? std::nullopt : std::optional<double>(j.get<double>());
}

json ToJson(const StoredVideo& stored) {
  const ReportVideo& v = stored.video;
  json shows = json::array();
  for (const ReportRight& axis : v.shows) shows.push_back({axis.axis, axis.right});
  return {{"entry", "video"},
          {"key", stored.key},
          {"path", v.path},
          {"scored_path", v.scored_path},
          {"calls", CallsText(v.computed)},
          {"codec", stored.codec},
          {"bytes", stored.bytes},
          {"shows", shows},
          {"scene_iou", OptionalNumber(v.scene_iou)}};
}

StoredVideo VideoFromJson(const json& j) {
  StoredVideo stored;
  j.at("key").get_to(stored.key);
  j.at("path").get_to(stored.video.path);
  j.at("scored_path").get_to(stored.video.scored_path);
  stored.video.computed = ParseMask(j.at("calls").get<std::string>());
  j.at("codec").get_to(stored.codec);
  j.at("bytes").get_to(stored.bytes);
  for (const json& axis : j.at("shows")) stored.video.shows.push_back({axis.at(0), axis.at(1)});
  stored.video.scene_iou = NumberOrNone(j.at("scene_iou"));
  return stored;
}

ReportVideo ScoresFromJson(const json& j) {
  ReportVideo v;
  j.at("identical").get_to(v.identical);
  v.psnr = NumberOrNone(j.at("psnr"));
  v.ssim = NumberOrNone(j.at("ssim"));
  v.lpips = NumberOrNone(j.at("lpips"));
  return v;
}

std::vector<ReportScore> ExtraFromJson(const json& j) {
  std::vector<ReportScore> extra;
  for (const auto& [name, value] : j.at("scores").items()) extra.push_back({name, value});
  return extra;
}

std::string ScoresKey(const std::string& key,
                      const std::string& reference,
                      const std::string& definition) {
  return key + "/" + reference + "/" + definition;
}

// Renames; a file that is not there is left out.
void Move(const std::string& from, const std::string& to) {
  std::error_code error;
  if (!fs::exists(from, error)) return;
  MakeFolders(fs::path(to).parent_path().string());
  fs::rename(from, to, error);
  if (error) ThrowUserError(from, "cannot be moved to {}: {}", to, error.message());
}

std::vector<std::string> FilesOf(const ReportVideo& video) {
  if (video.path.empty() || video.path == video.scored_path) return {video.scored_path};
  return {video.scored_path, video.path};
}

}  // namespace

SweepStore::SweepStore(const std::string& folder, const std::string& machine)
    : folder_(folder), machine_(machine), journal_(JournalPath(folder), "sweep", kSettings) {
  Load();
}

void SweepStore::Load() {
  try {
    for (const json& entry : journal_.entries()) {
      const std::string kind = entry.at("entry");
      if (kind == "times") {
        if (entry.at("machine") != machine_) continue;
        for (const json& run : entry.at("runs"))
          times_[run.at(0)].push_back({run.at(1), run.at(2)});
        continue;
      }
      const std::string key = entry.at("key");
      if (kind == "video") {
        StoredVideo stored = VideoFromJson(entry);
        owner_[stored.video.scored_path] = key;
        videos_[key] = std::move(stored);
      } else if (kind == "aside") {
        std::erase_if(owner_, [&key](const auto& item) { return item.second == key; });
      } else if (kind == "scores") {
        scores_[ScoresKey(key, entry.at("reference"), entry.at("definition"))] =
            ScoresFromJson(entry);
      } else if (kind == "extra") {
        extra_[{key, entry.at("definition")}] = ExtraFromJson(entry);
      }
    }
  } catch (const json::exception& error) {
    ThrowUserError(JournalPath(folder_), "an entry is not one of a sweep: {}", error.what());
  }
}

std::string SweepStore::Path(const std::string& relative) const {
  return (fs::path(folder_) / relative).string();
}

// By key, so that videos of one name do not meet: kept/KEY.mkv, kept/KEY.mp4.
std::string SweepStore::AsidePath(const std::string& key, const std::string& relative) const {
  return Path("kept/" + key + fs::path(relative).extension().string());
}

// As it was written: one that was emptied or cut is made again.
bool SweepStore::IsWhole(const std::string& path, const StoredVideo& video) {
  std::error_code error;
  const auto bytes = static_cast<int64_t>(fs::file_size(path, error));
  return !error && bytes == video.bytes;
}

bool SweepStore::IsAside(const StoredVideo& video) const {
  return IsWhole(AsidePath(video.key, video.video.scored_path), video);
}

bool SweepStore::IsInPlace(const StoredVideo& video) const {
  const auto owner = owner_.find(video.video.scored_path);
  return owner != owner_.end() && owner->second == video.key &&
         IsWhole(Path(video.video.scored_path), video);
}

void SweepStore::PutAside(const StoredVideo& video) {
  for (const std::string& file : FilesOf(video.video)) {
    Move(Path(file), AsidePath(video.key, file));
  }
  owner_.erase(video.video.scored_path);
  journal_.Append({{"entry", "aside"}, {"key", video.key}});
}

void SweepStore::FreePlace(const std::string& key, const ReportVideo& want) {
  const auto owner = owner_.find(want.scored_path);
  if (owner == owner_.end() || owner->second == key) return;
  const StoredVideo other = videos_.at(owner->second);
  if (IsInPlace(other)) PutAside(other);
}

const StoredVideo* SweepStore::Claim(const std::string& key, const ReportVideo& want) {
  used_.insert(key);
  FreePlace(key, want);
  const auto found = videos_.find(key);
  if (found == videos_.end()) return nullptr;
  StoredVideo& stored = found->second;
  const bool in_place = IsInPlace(stored);
  if (in_place && stored.video.scored_path == want.scored_path) return &stored;
  if (!in_place && !IsAside(stored)) return nullptr;
  // From kept/, or from where an earlier sweep wanted it.
  const auto from = FilesOf(stored.video);
  const auto to = FilesOf(want);
  if (from.size() != to.size()) return nullptr;
  for (size_t i = 0; i < from.size(); ++i) {
    Move(in_place ? Path(from[i]) : AsidePath(key, from[i]), Path(to[i]));
  }
  owner_.erase(stored.video.scored_path);
  stored.video.path = want.path;
  stored.video.scored_path = want.scored_path;
  owner_[want.scored_path] = key;
  journal_.Append(ToJson(stored));
  return &stored;
}

const StoredVideo& SweepStore::Add(StoredVideo video) {
  journal_.Append(ToJson(video));
  used_.insert(video.key);
  owner_[video.video.scored_path] = video.key;
  const std::string key = video.key;
  return videos_[key] = std::move(video);
}

std::vector<TimedRun> SweepStore::Times(const std::string& key) const {
  const auto found = times_.find(key);
  return found == times_.end() ? std::vector<TimedRun>() : found->second;
}

void SweepStore::AddTime(const std::string& key, const TimedRun& run) {
  times_[key].push_back(run);
  unwritten_.emplace_back(key, run);
}

void SweepStore::WriteTimes() {
  if (unwritten_.empty()) return;
  json runs = json::array();
  for (const auto& [key, run] : unwritten_) runs.push_back({key, run.transformer, run.decode});
  journal_.Append({{"entry", "times"}, {"machine", machine_}, {"runs", runs}});
  unwritten_.clear();
}

std::optional<ReportVideo> SweepStore::Scores(const std::string& key,
                                              const std::string& reference,
                                              const std::string& definition) const {
  const auto found = scores_.find(ScoresKey(key, reference, definition));
  return found == scores_.end() ? std::nullopt : std::optional(found->second);
}

void SweepStore::AddScores(const std::string& key,
                           const std::string& reference,
                           const std::string& definition,
                           const ReportVideo& scores) {
  journal_.Append({{"entry", "scores"},
                   {"key", key},
                   {"reference", reference},
                   {"definition", definition},
                   {"identical", scores.identical},
                   {"psnr", OptionalNumber(scores.psnr)},
                   {"ssim", OptionalNumber(scores.ssim)},
                   {"lpips", OptionalNumber(scores.lpips)}});
  scores_[ScoresKey(key, reference, definition)] = scores;
}

const std::vector<ReportScore>* SweepStore::Extra(const std::string& key,
                                                  const std::string& definition) const {
  const auto found = extra_.find({key, definition});
  return found == extra_.end() ? nullptr : &found->second;
}

const std::vector<ReportScore>& SweepStore::AddExtra(const std::string& key,
                                                     const std::string& definition,
                                                     const std::vector<ReportScore>& extra) {
  json scores = json::object();
  for (const ReportScore& score : extra) scores[score.name] = score.value;
  journal_.Append(
      {{"entry", "extra"}, {"key", key}, {"definition", definition}, {"scores", scores}});
  return extra_[{key, definition}] = extra;
}

void SweepStore::PutTheRestAside() {
  for (const auto& [key, video] : videos_) {
    if (!used_.contains(key) && IsInPlace(video)) PutAside(video);
  }
}

}  // namespace teacache
