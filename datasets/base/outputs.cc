#include "datasets/base/outputs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "datasets/base/error.h"
#include "datasets/base/file_lock.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// What a path is, whatever it is called.
struct Identity {
  fs::path path;  // absolute, without links
  bool exists = false;
  dev_t device = 0;
  ino_t inode = 0;
};

Identity IdentityOf(const std::string& path) {
  Identity identity;
  std::error_code error;
  std::string target = path;
  try {
    target = WithoutLinks(path);
  } catch (const UserError&) {
    // A loop of links is refused where it is read or written.
  }
  identity.path = fs::weakly_canonical(fs::absolute(target, error), error);
  if (!identity.path.has_filename()) identity.path = identity.path.parent_path();  // "a/"
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) {
    identity.exists = true;
    identity.device = status.st_dev;
    identity.inode = status.st_ino;
  }
  return identity;
}

bool Same(const Identity& a, const Identity& b) {
  if (a.exists && b.exists) return a.device == b.device && a.inode == b.inode;
  return a.path == b.path;
}

bool IsWithin(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
             folder.end() &&
         path != folder;
}

bool HasEnding(const fs::path& path, const std::vector<std::string>& endings) {
  std::string name = path.filename().string();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::ranges::any_of(endings, [&](const std::string& e) { return name.ends_with(e); });
}

// `folder` is that of `path`, which messages show.
void CheckCanWriteIn(const std::string& flag, const std::string& path, fs::path folder) {
  std::error_code error;
  while (!fs::exists(fs::symlink_status(folder, error)) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  if (!fs::is_directory(folder, error)) {
    ThrowUserError(flag, "\"{}\" cannot be written: \"{}\" is no folder", path, folder.string());
  }
  const std::string probe = UniqueTempPath((folder / "x").string());
  const int fd = open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    const std::string reason = std::generic_category().message(errno);
    ThrowUserError(flag, "\"{}\" cannot be written in \"{}\": {}", path, folder.string(), reason);
  }
  close(fd);
  unlink(probe.c_str());
}

// What kOutputsFile says of a file.
struct Record {
  std::string command;
  std::string sha256;  // "" = not finished
};

// Of the files in the folder of `file`, by name. Lines that are no records, as a cut one, say
// nothing.
std::map<std::string, Record> ReadRecords(const fs::path& file) {
  std::map<std::string, Record> records;
  const std::string path = (file.parent_path() / kOutputsFile).string();
  if (PlaceOf(path) != OutputPlace::kFile) return records;
  std::istringstream lines(ReadFile(path));
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json json = TryParseJson(line);
    const auto text = [&json](const char* name) {
      const auto found = json.is_object() ? json.find(name) : json.end();
      return found != json.end() && found->is_string() ? found->get<std::string>() : "";
    };
    if (!text("file").empty()) records[text("file")] = {text("command"), text("sha256")};
  }
  return records;
}

// Begins a new line, whatever another process left. What cannot be remembered, in a folder of
// several users perhaps, needs --overwrite the next time.
void AppendRecords(const fs::path& path, const std::string& lines) {
  std::error_code error;
  const bool begun = fs::file_size(path, error) > 0 && !error;
  std::ofstream(path, std::ios::binary | std::ios::app) << (begun ? "\n" : "") << lines;
}

}  // namespace

void OutputCheck::Reads(const std::string& flag, const std::string& path) {
  if (!path.empty()) inputs_.push_back({.flag = flag, .path = path});
}

void OutputCheck::ReadsFolder(const std::string& flag,
                              const std::string& path,
                              std::vector<std::string> endings) {
  if (!path.empty()) {
    inputs_.push_back({.flag = flag, .path = path, .folder = true, .endings = std::move(endings)});
  };
}

void OutputCheck::Keeps(const std::string& flag, const std::string& path) {
  ReadsFolder(flag, path, {""});
}

void OutputCheck::WritesFile(const std::string& flag, const std::string& path) {
  if (!path.empty()) outputs_.push_back({.flag = flag, .path = path});
}

void OutputCheck::GrowsFile(const std::string& flag, const std::string& path) {
  if (!path.empty()) outputs_.push_back({.flag = flag, .path = path, .grows = true});
}

void OutputCheck::WritesFolder(const std::string& flag, const std::string& path) {
  if (!path.empty()) outputs_.push_back({.flag = flag, .path = path, .folder = true});
}

void OutputCheck::OwnedBy(OutputOwner owner) { owner_ = std::move(owner); }

std::string OutputCheck::DigestOf(const Entry& output) const {
  return Sha256Hex(std::string_view(owner_.command + "\n" + output.flag));
}

void OutputCheck::CheckOwner(const Entry& output) const {
  if (owner_.command.empty() || owner_.overwrite || output.folder || output.grows) return;
  std::error_code error;
  if (PlaceOf(output.path) != OutputPlace::kFile || fs::file_size(output.path, error) == 0) return;
  const fs::path file = WithoutLinks(output.path);
  const auto records = ReadRecords(file);
  const auto found = records.find(file.filename().string());
  std::string problem;
  if (found == records.end()) {
    problem = "is not known to be made by this command";
  } else if (found->second.command != DigestOf(output)) {
    problem = "was made by another command";
  } else if (!found->second.sha256.empty() &&
             found->second.sha256 != Sha256HexOfFile(file.string())) {
    problem = "was changed since this command made it";
  }
  if (problem.empty()) return;
  ThrowUserError(
      output.flag, "\"{}\" exists and {}; --overwrite replaces it", output.path, problem);
}

bool OutputCheck::IsOurs(const Entry& output) const {
  const fs::path file = WithoutLinks(output.path);
  const auto records = ReadRecords(file);
  const auto found = records.find(file.filename().string());
  return found != records.end() && found->second.command == DigestOf(output);
}

void OutputCheck::StartOver(const Entry& output) const {
  if (!output.grows || PlaceOf(output.path) != OutputPlace::kFile || IsOurs(output)) return;
  const fs::path file = WithoutLinks(output.path);
  {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;  // refused where it is opened
    const std::unique_ptr<const int, void (*)(const int*)> closer(
        &fd, [](const int* descriptor) { close(*descriptor); });
    LockFile(fd, output.path);
  }
  std::error_code error;
  fs::remove(file, error);
}

void OutputCheck::Begin() const {
  if (owner_.overwrite && !owner_.command.empty()) {
    for (const Entry& output : outputs_) StartOver(output);
  }
  Remember(/*finished=*/false);
}

void OutputCheck::Finish() const { Remember(/*finished=*/true); }

void OutputCheck::Remember(bool finished) const {
  if (owner_.command.empty()) return;
  std::map<fs::path, std::string> lines;  // by folder
  for (const Entry& output : outputs_) {
    const OutputPlace place = PlaceOf(output.path);
    if (output.folder || (output.grows && finished)) continue;
    // What grows stays that of the command that began it.
    if (output.grows && place == OutputPlace::kFile && !IsOurs(output)) continue;
    if (place != OutputPlace::kFile && (finished || place != OutputPlace::kNew)) continue;
    const fs::path file = WithoutLinks(output.path);
    nlohmann::ordered_json record = {{"file", file.filename().string()},
                                     {"command", DigestOf(output)}};
    if (finished) record["sha256"] = Sha256HexOfFile(file.string());
    using Handler = nlohmann::ordered_json::error_handler_t;
    lines[file.parent_path()] += record.dump(-1, ' ', false, Handler::replace) + "\n";
  }
  for (const auto& [folder, text] : lines) AppendRecords(folder / kOutputsFile, text);
}

void OutputCheck::Run() const {
  std::vector<Identity> inputs, outputs;
  for (const Entry& output : outputs_) {
    if (!output.folder) CheckOutputFile(output.path, output.flag);
    if (output.folder && PlaceOf(output.path) != OutputPlace::kFolder &&
        PlaceOf(output.path) != OutputPlace::kNew) {
      ThrowUserError(output.flag, "must be a folder or new but \"{}\" is a file", output.path);
    }
    outputs.push_back(IdentityOf(output.path));
  }
  for (const Entry& input : inputs_) inputs.push_back(IdentityOf(input.path));
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Entry& output = outputs_[i];
    if (PlaceOf(output.path) == OutputPlace::kStream) continue;
    for (size_t j = 0; j < i; ++j) {
      if ((!output.folder || !outputs_[j].folder) && Same(outputs[i], outputs[j])) {
        ThrowUserError(output.flag,
                       "must be another file than {} but both are \"{}\"",
                       outputs_[j].flag,
                       output.path);
      }
    }
    for (size_t j = 0; j < inputs_.size() && !output.folder; ++j) {
      if (Same(outputs[i], inputs[j])) {
        ThrowUserError(
            output.flag, "must be no input but \"{}\" is read by {}", output.path, inputs_[j].flag);
      }
    }
    for (size_t j = 0; j < inputs_.size(); ++j) {
      const Entry& input = inputs_[j];
      const bool is_kept = std::ranges::find(input.endings, "") != input.endings.end();
      const bool is_read = output.folder ? is_kept : HasEnding(outputs[i].path, input.endings);
      if (is_read && (IsWithin(outputs[i].path, inputs[j].path) || Same(outputs[i], inputs[j]))) {
        ThrowUserError(output.flag,
                       "must not be among the files that {} reads but \"{}\" is in \"{}\"",
                       input.flag,
                       output.path,
                       input.path);
      }
    }
    CheckCanWriteIn(
        output.flag, output.path, output.folder ? outputs[i].path : outputs[i].path.parent_path());
  }
  for (const Entry& output : outputs_) CheckOwner(output);
}

}  // namespace teacache
