#include "reports/sweep/sweep_store.h"

#include <filesystem>
#include <system_error>
#include <tuple>

#include "calib/rules/policy_options.h"
#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/work/stale_files.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// Whatever the options of a sweep are, its finished work can be told by keys.
constexpr const char* kSettings = R"({"layout":2})";

std::string JournalPath(const std::string& folder) {
  MakeFolders(folder);
  RemoveStaleTemporaries(folder);
  return (fs::path(folder) / "sweep.jsonl").string();
}

// [["shape", true], ...].
struct AxesJson {
  std::vector<ReportRight>& axes;

  void ReadJson(const JsonNode& node) const {
    axes.clear();
    for (auto& [axis, right] : FromJson<std::vector<std::pair<std::string, bool>>>(node)) {
      axes.push_back({std::move(axis), right});
    }
  }
  void WriteJson(JsonText* text) const {
    std::vector<std::pair<std::string, bool>> pairs;
    for (const ReportRight& axis : axes) pairs.emplace_back(axis.axis, axis.right);
    json_values::Write(text, pairs);
  }
};

// The kinds of lines of the journal: a finished video, one whose files are in kept/, the seconds of
// runs (key, transformer, decoding), scores against another video, and scores by itself.
struct VideoEntry {
  static constexpr const char* kKind = "video";
  StoredVideo stored;
};

template <typename Archive>
void Visit(Archive& archive, VideoEntry& entry) {
  ReportVideo& video = entry.stored.video;
  archive.Required("key", entry.stored.key);
  archive.Required("path", video.path);
  archive.Required("scored_path", video.scored_path);
  archive.Required("calls", CallsText{video.computed});
  archive.Required("codec", entry.stored.codec);
  archive.Required("bytes", entry.stored.bytes);
  archive.Required("shows", AxesJson{video.shows});
  archive.Required("scene_iou", video.scene_iou);
}

struct AsideEntry {
  static constexpr const char* kKind = "aside";
  std::string key;
};

template <typename Archive>
void Visit(Archive& archive, AsideEntry& entry) {
  archive.Required("key", entry.key);
}

struct TimesEntry {
  static constexpr const char* kKind = "times";
  std::string machine;
  std::vector<std::tuple<std::string, double, double>> runs;
};

template <typename Archive>
void Visit(Archive& archive, TimesEntry& entry) {
  archive.Required("machine", entry.machine);
  archive.Required("runs", entry.runs);
}

struct ScoresEntry {
  static constexpr const char* kKind = "scores";
  std::string key;
  std::string reference;
  std::string definition;
  bool identical = false;
  std::map<std::string, double> scores;
};

template <typename Archive>
void Visit(Archive& archive, ScoresEntry& entry) {
  archive.Required("key", entry.key);
  archive.Required("reference", entry.reference);
  archive.Required("definition", entry.definition);
  archive.Required("identical", entry.identical);
  if constexpr (Archive::kReads) {
    for (const std::string& name : UndescribedMetrics()) {  // an entry of 0.1.0
      std::optional<double> value;
      archive(name, value);
      if (value) entry.scores[name] = *value;
    }
  }
  archive("scores", entry.scores);
}

struct ExtraEntry {
  static constexpr const char* kKind = "extra";
  std::string key;
  std::string definition;
  std::map<std::string, double> scores;
};

template <typename Archive>
void Visit(Archive& archive, ExtraEntry& entry) {
  archive.Required("key", entry.key);
  archive.Required("definition", entry.definition);
  archive.Required("scores", entry.scores);
}

// A line: "entry", its kind, and the fields of that kind.
template <typename Content>
struct Line {
  Content content;
};

template <typename Archive, typename Content>
void Visit(Archive& archive, Line<Content>& line) {
  std::string kind = Content::kKind;
  archive.Required("entry", kind);
  Visit(archive, line.content);
}

template <typename Content>
std::string ToLine(const Content& content) {
  return ToJson(Line<Content>{content}, "sweep.jsonl");
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
  journal_.contents().ForEachEntry([this](const JsonNode& node) {
    const std::string kind = node.At("entry").String();
    const auto read = [&]<typename Content>(Content* content) {
      if (kind != Content::kKind) return false;
      *content = FromJson<Line<Content>>(node).content;
      return true;
    };
    if (TimesEntry times; read(&times)) {
      if (times.machine != machine_) return;
      for (const auto& [key, transformer, decode] : times.runs) {
        times_[key].push_back({transformer, decode});
      }
    } else if (VideoEntry video; read(&video)) {
      StoredVideo& stored = video.stored;
      owner_[stored.video.scored_path] = stored.key;
      videos_[stored.key] = std::move(stored);
    } else if (AsideEntry aside; read(&aside)) {
      std::erase_if(owner_, [&aside](const auto& item) { return item.second == aside.key; });
    } else if (ScoresEntry scores; read(&scores)) {
      ReportVideo& known = scores_[ScoresKey(scores.key, scores.reference, scores.definition)];
      known.identical = scores.identical;
      known.scores = std::move(scores.scores);
    } else if (ExtraEntry extra; read(&extra)) {
      extra_[{extra.key, extra.definition}] = std::move(extra.scores);
    } else {
      node.At("entry").Refuse("must be a known kind");
    }
  });
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
  journal_.Append(ToLine(AsideEntry{video.key}));
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
  journal_.Append(ToLine(VideoEntry{stored}));
  return &stored;
}

const StoredVideo& SweepStore::Add(StoredVideo video) {
  journal_.Append(ToLine(VideoEntry{video}));
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
  TimesEntry times{machine_, {}};
  for (const auto& [key, run] : unwritten_) {
    times.runs.emplace_back(key, run.transformer, run.decode);
  }
  journal_.Append(ToLine(times));
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
  journal_.Append(ToLine(ScoresEntry{key, reference, definition, scores.identical, scores.scores}));
  scores_[ScoresKey(key, reference, definition)] = scores;
}

const std::map<std::string, double>* SweepStore::Extra(const std::string& key,
                                                       const std::string& definition) const {
  const auto found = extra_.find({key, definition});
  return found == extra_.end() ? nullptr : &found->second;
}

const std::map<std::string, double>& SweepStore::AddExtra(
    const std::string& key,
    const std::string& definition,
    const std::map<std::string, double>& extra) {
  journal_.Append(ToLine(ExtraEntry{key, definition, extra}));
  return extra_[{key, definition}] = extra;
}

void SweepStore::PutTheRestAside() {
  for (const auto& [key, video] : videos_) {
    if (!used_.contains(key) && IsInPlace(video)) PutAside(video);
  }
}

}  // namespace teacache
