#include "reports/render/foreign_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string_view>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "datasets/base/json_fields.h"
#include "metrics/pairs/pairing.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

std::string StemOf(const std::string& file) { return fs::path(file).stem().string(); }

bool HoldsVideos(const std::string& folder) {
  try {
    return !FindVideos(folder).empty();
  } catch (const UserError&) {
    return false;
  }
}

std::string Slug(const std::string& name) {
  std::string slug;
  for (const char c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    slug += fine ? c : '-';
  }
  return slug;
}

// "CCSC", "1101" or "" -> schedule.
std::vector<bool> ParseCalls(const std::string& text, const std::string& where) {
  std::vector<bool> computed;
  for (const char c : text) {
    if (c != 'C' && c != 'S' && c != '1' && c != '0') {
      ThrowUserError(where, "calls must hold only C and S, or 1 and 0, but is \"{}\"", text);
    }
    computed.push_back(c == 'C' || c == '1');
  }
  return computed;
}

double ParseNumber(const std::string& text, const std::string& where, std::string_view key) {
  size_t end = 0;
  double value = 0;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {
    end = 0;
  }
  if (end == 0 || end != text.size() || !std::isfinite(value)) {
    ThrowUserError(where, "{} must be a number but is {}", key, ShownText(text));
  }
  return value;
}

// One field of a measurement, as text: the same for both kinds of files.
void SetField(std::string_view key,
              const std::string& value,
              const std::string& where,
              ForeignTime* time) {
  const auto seconds = [&] {
    const double number = ParseNumber(value, where, key);
    if (number < 0) ThrowUserError(where, "{} must be at least 0 but is {}", key, value);
    return number;
  };
  if (key == "video" || key == "file") {
    time->name = StemOf(value);
  } else if (key == "prompt") {
    time->prompt = value;
  } else if (value.empty() || key == "sha256") {
    return;  // an empty cell is not given; the digest of a file is for runs that go on
  } else if (key == "seed") {
    time->seed = static_cast<int64_t>(ParseNumber(value, where, key));
  } else if (key == "seconds" || key == "total_seconds") {
    time->seconds = seconds();
  } else if (key == "transformer_seconds") {
    time->transformer_seconds = seconds();
  } else if (key == "decode_seconds") {
    time->decode_seconds = seconds();
  } else if (key == "calls") {
    time->computed = ParseCalls(value, where);
  } else if (key == "computed_calls") {
    time->computed_calls = static_cast<int>(ParseNumber(value, where, key));
  } else {
    ThrowUserError(where,
                   "knows video, prompt, seed, seconds, transformer_seconds, decode_seconds, calls "
                   "and computed_calls but has {}",
                   ShownText(key));
  }
}

void CheckTime(const ForeignTime& time, const std::string& where) {
  if (time.name.empty()) ThrowUserError(where, "must name its video but does not");
}

// RFC 4180: records of fields.
std::vector<std::vector<std::string>> ParseCsv(const std::string& text) {
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> record = {""};
  bool quoted = false;
  const auto end_record = [&] {
    if (record.size() > 1 || !record[0].empty()) records.push_back(record);
    record = {""};
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        record.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        record.back() += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      record.emplace_back();
    } else if (c == '\n') {
      end_record();
    } else if (c != '\r') {
      record.back() += c;
    }
  }
  end_record();
  return records;
}

std::vector<ForeignTime> ReadTimingCsv(const std::string& path) {
  const auto records = ParseCsv(ReadFile(path));
  std::vector<ForeignTime> times;
  for (size_t i = 1; i < records.size(); ++i) {
    const std::string where = fmt::format("{}: record {}", path, i + 1);
    if (records[i].size() != records[0].size()) {
      ThrowUserError(where,
                     "must have {} fields as the head but has {}",
                     records[0].size(),
                     records[i].size());
    }
    ForeignTime time;
    for (size_t f = 0; f < records[i].size(); ++f) {
      SetField(records[0][f], records[i][f], where, &time);
    }
    CheckTime(time, where);
    times.push_back(std::move(time));
  }
  return times;
}

ForeignTime TimeFromJson(const JsonNode& entry, const std::string& where) {
  ForeignTime time;
  entry.ForEachMember([&](std::string_view key, const JsonNode& value) {
    if (key == "scene") {
      for (auto& [axis, right] : FromJson<std::vector<std::pair<std::string, bool>>>(value)) {
        time.shows.push_back({std::move(axis), right});
      }
    } else if (key == "sha256" || key == "outside_range") {
      // Of a journal, not times.
    } else if (value.is_null()) {
      SetField(key, "", where, &time);
    } else {
      SetField(key, value.is_string() ? value.String() : ToJson(value, where), where, &time);
    }
  });
  CheckTime(time, where);
  return time;
}

// Lines of objects, or the journal of generate-videos, which has a line in front.
std::vector<ForeignTime> ReadTimingJsonl(const std::string& path) {
  const std::string text = ReadFile(path);
  JsonDocument document(path);
  std::vector<ForeignTime> times;
  size_t begin = 0;
  for (int number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    try {
      document.Parse(line, text.capacity() - end, number);
    } catch (const UserError&) {
      if (begin >= text.size()) break;  // a cut last line: a run that was interrupted
      throw;
    }
    if (number == 1 && document.root().Has("format")) continue;
    times.push_back(TimeFromJson(document.root(), fmt::format("{}:{}", path, number)));
  }
  return times;
}

// "teacache-0.1", "uniform-12", "none": what a folder's name says.
void GuessFromName(const std::string& name, ForeignSetting* setting) {
  static const std::set<std::string> kUncached = {
      "none", "uncached", "original", "baseline", "reference", "gt", "full"};
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (kUncached.contains(lower)) {
    setting->policy = "none";
    return;
  }
  const size_t dash = name.find_last_of("-_");
  setting->policy = lower.substr(0, dash == std::string::npos ? lower.size() : dash);
  if (dash == std::string::npos) return;
  size_t end = 0;
  double number = 0;
  try {
    number = std::stod(name.substr(dash + 1), &end);
  } catch (const std::exception&) {
    end = 0;
  }
  if (end == 0 || end != name.size() - dash - 1) {
    setting->policy = lower;
  } else if (setting->policy == "teacache") {
    setting->threshold = number;
  } else if (setting->policy == "uniform" || setting->policy == "mask" ||
             setting->policy == "steps") {
    setting->computed_target = number;
  } else {
    setting->label = name;
  }
}

void ReadSettingFile(const std::string& path, ForeignSetting* setting) {
  const ParsedJson json(ReadFile(path), path);
  JsonReader reader(json.root());
  reader("model", setting->model);
  reader("policy", setting->policy);
  reader("label", setting->label);
  reader("coefficients", setting->fit);
  if (reader.Take("matches")) setting->matches = Slug(reader.value().String());
  reader("threshold", setting->threshold);
  reader("computed_calls", setting->computed_target);
  reader("calls", setting->calls);
  reader.Finish();
}

// What generate-videos wrote about its run. Files of that name by other programs say nothing.
void ReadRunFile(const std::string& path, ForeignSetting* setting) {
  std::optional<ParsedJson> json;
  try {
    json.emplace(ReadFile(path), path);
  } catch (const UserError&) {
    return;
  }
  const JsonNode run = json->root();
  std::string format;
  if (!run.is_object() || !ReadGiven(run, "format", &format) || format != "teacache-run") return;
  ReadGiven(run, "model", &setting->model);
  setting->threshold.reset();
  const auto policy = run.Given("policy");
  if (!policy) return;
  ReadGiven(*policy, "cache", &setting->policy);
  if (setting->policy == "teacache") ReadGiven(*policy, "threshold", &setting->threshold);
  ReadGiven(*policy, "computed_calls", &setting->computed_target);
}

ForeignSetting ReadSetting(const std::string& folder) {
  ForeignSetting setting;
  setting.folder = folder;
  fs::path path = fs::path(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  setting.name = Slug(path.filename().string());
  const std::string inside = (path / "videos").string();
  setting.videos = fs::is_directory(inside) ? inside : folder;
  GuessFromName(path.filename().string(), &setting);
  const auto file = [&path](const char* name) { return (path / name).string(); };
  if (fs::exists(file("run.json"))) ReadRunFile(file("run.json"), &setting);
  if (fs::exists(file("setting.json"))) ReadSettingFile(file("setting.json"), &setting);
  const bool csv = fs::exists(file("timing.csv"));
  const bool jsonl = fs::exists(file("timing.jsonl"));
  if (csv && jsonl) {
    ThrowUserError(folder, "must have one of timing.csv and timing.jsonl but has both");
  }
  if (csv) setting.times = ReadTimingCsv(file("timing.csv"));
  if (jsonl) setting.times = ReadTimingJsonl(file("timing.jsonl"));
  return setting;
}

bool IsSetting(const fs::path& folder) {
  const fs::path inside = folder / "videos";
  return HoldsVideos(fs::is_directory(inside) ? inside.string() : folder.string());
}

}  // namespace

std::vector<ForeignSetting> ReadForeignSettings(const std::string& folder) {
  if (!fs::is_directory(folder)) ThrowUserError(folder, "must be a folder of videos but is not");
  if (IsSetting(folder)) return {ReadSetting(folder)};
  std::vector<ForeignSetting> settings;
  for (const std::string& name : ListFolder(folder)) {
    const fs::path inside = fs::path(folder) / name;
    if (fs::is_directory(inside) && IsSetting(inside)) {
      settings.push_back(ReadSetting(inside.string()));
    }
  }
  if (settings.empty()) {
    ThrowUserError(folder, "must hold videos, or folders that do (one per setting), but does not");
  }
  return settings;
}

}  // namespace teacache
