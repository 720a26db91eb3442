#pragma once

#include <string>
#include <vector>

namespace teacache {

// The command that writes. A file that exists is replaced only by the command that made it, or with
// --overwrite. Each folder of outputs remembers in a hidden file, kOutputsFile, which command made
// which file and its SHA-256.
struct OutputOwner {
  std::string command;     // what decides about the outputs, as text; "" = unknown, no rule
  bool overwrite = false;  // --overwrite
};

// JSON lines {"file": name, "command": digest, "sha256": digest}; the last line of a file counts.
// Without "sha256": the command was about to write the file and may have been stopped.
inline constexpr const char* kOutputsFile = ".teacache-outputs";

// The files that a call reads and writes, each with the flag that names it, checked before any
// work. Empty paths are left out. Names are compared as files: through symbolic links, and as hard
// links.
class OutputCheck {
 public:
  // A file or folder that is read.
  void Reads(const std::string& flag, const std::string& path);
  // A folder whose files with these endings (lower case, like ".mp4") are read, at any depth.
  void ReadsFolder(const std::string& flag,
                   const std::string& path,
                   std::vector<std::string> endings);
  // A folder in which nothing may be written.
  void Keeps(const std::string& flag, const std::string& path);
  // A file that is written as a whole: made by the owner, or new.
  void WritesFile(const std::string& flag, const std::string& path);
  // A file that is appended to: its format says what it can go on with, and refuses the rest. With
  // --overwrite a file of another command begins again.
  void GrowsFile(const std::string& flag, const std::string& path);
  // A folder to fill; it need not exist.
  void WritesFolder(const std::string& flag, const std::string& path);

  // Whose outputs these are.
  void OwnedBy(OutputOwner owner);

  // Throws UserError, starting with the flag of the output, unless
  // * each output is new or of its kind: a file does not name a folder (see CheckOutputFile);
  // * no output is an input or another output, except for streams like /dev/null;
  // * no output file would be read as a file of an input folder;
  // * each file that exists and is not empty was made by this command and is as it left it, or may
  //   be overwritten;
  // * something can be written in the folder of each output, or in the nearest folder above that
  //   exists (by trying it). No folder is made.
  void Run() const;

  // Remember in the folders of the outputs, where they exist, that this command writes them: before
  // the first is written, and after the last. Begin() also removes, with --overwrite, files of
  // others that would grow; UserError where another process holds one.
  void Begin() const;
  void Finish() const;

 private:
  struct Entry {
    std::string flag;
    std::string path;
    bool folder = false;
    bool grows = false;
    std::vector<std::string> endings = {};  // of input folders
  };

  std::string DigestOf(const Entry& output) const;
  void CheckOwner(const Entry& output) const;
  bool IsOurs(const Entry& output) const;
  void StartOver(const Entry& output) const;
  void Remember(bool finished) const;

  OutputOwner owner_;
  std::vector<Entry> inputs_;
  std::vector<Entry> outputs_;
};

}  // namespace teacache
