#include "datasets/base/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>

#include "datasets/base/error.h"
#include "datasets/base/file_lock.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

constexpr uint64_t kMaxJournalBytes = uint64_t{4} << 30;
constexpr int kVersion = 1;
constexpr std::string_view kBegin = R"({"format":"teacache-journal",)";

std::string HeaderLine(const std::string& kind, const nlohmann::json& settings) {
  nlohmann::ordered_json header;
  header["format"] = "teacache-journal";
  header["version"] = kVersion;
  header["kind"] = kind;
  header["digest"] = Sha256Hex(std::string_view(settings.dump()));
  header["settings"] = settings;
  return header.dump() + "\n";
}

std::string Shorten(std::string text) {
  constexpr size_t kMaxText = 80;
  if (text.size() > kMaxText) {
    text = text.substr(0, kMaxText) + "...";
  }
  return text;
}

// The first place where two settings differ: "/metrics/0 was 1 and is 2".
std::string FirstDifference(const nlohmann::json& was, const nlohmann::json& is) {
  const nlohmann::json patch = nlohmann::json::diff(was, is);
  if (patch.empty()) {
    return "the digest";
  }
  const std::string path = patch[0]["path"].get<std::string>();
  const nlohmann::json::json_pointer pointer(path);
  const auto text = [&](const nlohmann::json& json) {
    return json.contains(pointer) ? Shorten(json[pointer].dump()) : std::string("not given");
  };
  return fmt::format(
      "{} was {} and is {}", path.empty() ? "all" : path.substr(1), text(was), text(is));
}

struct Parsed {
  JournalContents contents;
  bool has_header = false;
  uint64_t whole_bytes = 0;  // up to here the file consists of whole, valid lines
};

void ParseHeader(const std::string& path, std::string_view line, JournalContents* contents) {
  const nlohmann::json header = TryParseJson(line);
  if (!header.is_object() || header.value("format", nlohmann::json()) != "teacache-journal") {
    ThrowUserError(
        path,
        "must be a journal of this program but line 1 is not its header; remove the file to start "
        "over");
  }
  if (header.value("version", nlohmann::json()) != kVersion) {
    ThrowUserError(path,
                   "journal version must be {} but is {}",
                   kVersion,
                   Shorten(header.value("version", nlohmann::json()).dump()));
  }
  const auto kind = header.find("kind");
  const auto settings = header.find("settings");
  if (kind == header.end() || !kind->is_string() || settings == header.end()) {
    ThrowUserError(path, "line 1 must have kind and settings");
  }
  const std::string digest = Sha256Hex(std::string_view(settings->dump()));
  if (header.value("digest", nlohmann::json()) != digest) {
    ThrowUserError(path, "line 1: the digest must fit the settings but does not (edited by hand?)");
  }
  contents->kind = kind->get<std::string>();
  contents->settings = *settings;
}

Parsed Parse(const std::string& path, std::string_view bytes) {
  Parsed parsed;
  size_t begin = 0;
  for (int number = 1; begin < bytes.size(); ++number) {
    const size_t newline = bytes.find('\n', begin);
    if (newline == std::string_view::npos) {
      break;
    }
    const std::string_view line = bytes.substr(begin, newline - begin);
    if (number == 1) {
      ParseHeader(path, line, &parsed.contents);
      parsed.has_header = true;
    } else {
      nlohmann::json entry = TryParseJson(line);
      if (!entry.is_object()) {
        // The end of a file may be garbage after a power failure; the middle may not.
        if (newline + 1 == bytes.size()) {
          break;
        }
        ThrowUserError(path,
                       "line {} must be a JSON object but is not; remove the file to start over",
                       number);
      }
      parsed.contents.entries.push_back(std::move(entry));
    }
    begin = newline + 1;
  }
  parsed.whole_bytes = begin;
  if (!parsed.has_header && bytes.substr(0, kBegin.size()) != kBegin.substr(0, bytes.size())) {
    ThrowUserError(path, "must be a journal of this program but is not");
  }
  if (begin < bytes.size()) {
    parsed.contents.warnings.push_back(
        fmt::format("{}: the last line was cut (an interrupted run?); {} bytes of it are left out",
                    path,
                    bytes.size() - begin));
  }
  return parsed;
}

}  // namespace

struct Journal::State {
  std::string path;
  int fd = -1;
  uint64_t size = 0;  // bytes of whole lines
  JournalContents contents;
  std::mutex mutex;

  ~State() {
    if (fd >= 0) {
      close(fd);
    }
  }

  void AppendLine(const std::string& line) {
    const std::lock_guard<std::mutex> lock(mutex);
    try {
      WriteAll(fd, path, line);
      if (fsync(fd) != 0 && errno != EINVAL) {
        ThrowUserError(
            path, "cannot be written to disk: {}", std::generic_category().message(errno));
      }
    } catch (...) {
      (void)!ftruncate(fd, static_cast<off_t>(size));
      throw;
    }
    size += line.size();
  }
};

JournalContents ReadJournal(const std::string& path) {
  Parsed parsed = Parse(path, ReadFile(path, kMaxJournalBytes));
  if (!parsed.has_header) {
    ThrowUserError(path, "must be a journal but is empty");
  }
  return std::move(parsed.contents);
}

Journal::Journal(const std::string& path, const std::string& kind, const nlohmann::json& settings)
    : state_(std::make_unique<State>()) {
  state_->path = path;
  state_->fd = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (state_->fd < 0) {
    ThrowUserError(path, "cannot be opened: {}", std::generic_category().message(errno));
  }
  LockFile(state_->fd, path);
  Parsed parsed = Parse(path, ReadFile(path, kMaxJournalBytes));
  state_->contents = std::move(parsed.contents);
  if (parsed.has_header) {
    if (state_->contents.kind != kind) {
      ThrowUserError(path, "must be a journal of {} but is one of {}", kind, state_->contents.kind);
    }
    if (state_->contents.settings != settings) {
      ThrowUserError(path,
                     "must be of the same settings to go on but {}; remove the file to start over "
                     "(--overwrite does)",
                     FirstDifference(state_->contents.settings, settings));
    }
  }
  state_->size = parsed.whole_bytes;
  if (ftruncate(state_->fd, static_cast<off_t>(state_->size)) != 0) {
    ThrowUserError(path, "cannot be cut: {}", std::generic_category().message(errno));
  }
  if (!parsed.has_header) {
    state_->AppendLine(HeaderLine(kind, settings));
  }
}

Journal::~Journal() = default;
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;

const std::vector<nlohmann::json>& Journal::entries() const { return state_->contents.entries; }
const std::vector<std::string>& Journal::warnings() const { return state_->contents.warnings; }

void Journal::Append(const nlohmann::json& entry) {
  if (!entry.is_object()) {
    throw std::invalid_argument("Journal::Append: an entry must be a JSON object");
  }
  std::string line;
  try {
    line = entry.dump() + "\n";
  } catch (const nlohmann::json::exception&) {
    ThrowUserError(state_->path, "entries must be UTF-8 but one is not");
  }
  state_->AppendLine(line);
}

}  // namespace teacache
