#include "datasets/base/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/file_lock.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

constexpr uint64_t kMaxJournalBytes = uint64_t{4} << 30;
constexpr std::string_view kBegin = R"({"format":"teacache-journal",)";

// The first line.
struct Header {
  std::string kind;
  std::string settings;

  std::string Digest() const { return Sha256Hex(std::string_view(settings)); }
};

template <typename Archive>
void Visit(Archive& archive, Header& header) {
  archive.Format("teacache-journal", 1);
  archive.Required("kind", header.kind);
  std::string digest = header.Digest();
  archive.Required("digest", digest);
  archive.Required("settings", JsonAsText{header.settings});
  archive.Check(digest == header.Digest(), "must fit the digest (edited by hand?)");
}

std::string Shorten(std::string text) {
  constexpr size_t kMaxText = 80;
  if (text.size() > kMaxText) {
    text = text.substr(0, kMaxText) + "...";
  }
  return text;
}

std::string Shown(const std::optional<JsonNode>& value) {
  return value ? Shorten(ToJson(*value, "settings")) : std::string("not given");
}

std::optional<JsonNode> Member(const JsonNode& object, std::string_view name) {
  return object.Has(name) ? std::optional(object.At(name)) : std::nullopt;
}

// The first place where two settings differ, in the order of the names: "metrics/0 was 1 and is 2".
// "" = none: the order of fields does not count.
std::string Difference(const std::string& path,
                       const std::optional<JsonNode>& was,
                       const std::optional<JsonNode>& is) {
  if (was && is && was->is_object() && is->is_object()) {
    auto names = was->Members();
    names.merge(is->Members());
    for (const auto& item : names) {
      const std::string at = fmt::format("{}{}{}", path, path.empty() ? "" : "/", item.first);
      std::string difference = Difference(at, Member(*was, item.first), Member(*is, item.first));
      if (!difference.empty()) return difference;
    }
    return "";
  }
  if (was && is && was->is_array() && is->is_array()) {
    for (size_t i = 0; i < std::max(was->size(), is->size()); ++i) {
      const auto entry = [i](const JsonNode& list) {
        return i < list.size() ? std::optional(list.At(i)) : std::nullopt;
      };
      std::string difference = Difference(fmt::format("{}/{}", path, i), entry(*was), entry(*is));
      if (!difference.empty()) return difference;
    }
    return "";
  }
  const std::string before = Shown(was);
  const std::string now = Shown(is);
  if (was && is && ToJson(*was, "settings") == ToJson(*is, "settings")) return "";
  return fmt::format("{} was {} and is {}", path.empty() ? "all" : path, before, now);
}

struct Parsed {
  JournalContents contents;
  bool has_header = false;
  uint64_t whole_bytes = 0;  // up to here the file consists of whole, valid lines
};

void ParseHeader(const std::string& path, std::string_view line, JournalContents* contents) {
  JsonDocument document(path);
  try {
    const JsonNode root = document.Parse(line);
    if (root.At("format").Text() != "teacache-journal") root.Refuse("must be a header");
  } catch (const UserError&) {
    ThrowUserError(
        path,
        "must be a journal of this program but line 1 is not its header; remove the file to start "
        "over");
  }
  auto header = FromJson<Header>(document.root());
  contents->kind = std::move(header.kind);
  contents->settings = std::move(header.settings);
}

bool IsObject(JsonDocument* document, std::string_view line) {
  try {
    return document->Parse(line).is_object();
  } catch (const UserError&) {
    return false;
  }
}

Parsed Parse(const std::string& path, std::string_view bytes) {
  Parsed parsed;
  parsed.contents.path = path;
  JsonDocument document(path);
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
      if (!IsObject(&document, line)) {
        // The end of a file may be garbage after a power failure; the middle may not.
        if (newline + 1 == bytes.size()) {
          break;
        }
        ThrowUserError(path,
                       "line {} must be a JSON object but is not; remove the file to start over",
                       number);
      }
      parsed.contents.entries.emplace_back(line);
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

JsonNode JournalContents::Parse(size_t i, JsonDocument* document) const {
  const std::string& entry = entries.at(i);
  return document->Parse(entry, entry.capacity() - entry.size(), static_cast<int64_t>(i) + 2);
}

JournalContents ReadJournal(const std::string& path) {
  Parsed parsed = Parse(path, ReadFile(path, kMaxJournalBytes));
  if (!parsed.has_header) {
    ThrowUserError(path, "must be a journal but is empty");
  }
  return std::move(parsed.contents);
}

Journal::Journal(const std::string& path, const std::string& kind, const std::string& settings)
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
    const ParsedJson was(state_->contents.settings, path);
    const ParsedJson is(settings, path);
    const std::string difference = Difference("", was.root(), is.root());
    if (!difference.empty()) {
      ThrowUserError(path,
                     "must be of the same settings to go on but {}; remove the file to start over "
                     "(--overwrite does)",
                     difference);
    }
  }
  state_->size = parsed.whole_bytes;
  if (ftruncate(state_->fd, static_cast<off_t>(state_->size)) != 0) {
    ThrowUserError(path, "cannot be cut: {}", std::generic_category().message(errno));
  }
  if (!parsed.has_header) {
    state_->AppendLine(ToJson(Header{kind, settings}, path) + "\n");
  }
}

Journal::~Journal() = default;
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;

const JournalContents& Journal::contents() const { return state_->contents; }

void Journal::Append(const std::string& entry) {
  if (!entry.starts_with('{') || entry.find('\n') != std::string::npos) {
    throw std::invalid_argument("Journal::Append: an entry must be a JSON object in one line");
  }
  state_->AppendLine(entry + "\n");
}

}  // namespace teacache
