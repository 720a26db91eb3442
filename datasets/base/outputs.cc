#include "datasets/base/outputs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "datasets/base/error.h"
#include "datasets/base/files.h"

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

}  // namespace

void OutputCheck::Reads(const std::string& flag, const std::string& path) {
  if (!path.empty()) inputs_.push_back({flag, path, false, {}});
}

void OutputCheck::ReadsFolder(const std::string& flag,
                              const std::string& path,
                              std::vector<std::string> endings) {
  if (!path.empty()) inputs_.push_back({flag, path, true, std::move(endings)});
}

void OutputCheck::Keeps(const std::string& flag, const std::string& path) {
  ReadsFolder(flag, path, {""});
}

void OutputCheck::WritesFile(const std::string& flag, const std::string& path) {
  if (!path.empty()) outputs_.push_back({flag, path, false, {}});
}

void OutputCheck::WritesFolder(const std::string& flag, const std::string& path) {
  if (!path.empty()) outputs_.push_back({flag, path, true, {}});
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
}

}  // namespace teacache
