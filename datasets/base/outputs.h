#pragma once

#include <string>
#include <vector>

namespace teacache {

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
  void WritesFile(const std::string& flag, const std::string& path);
  // A folder to fill; it need not exist.
  void WritesFolder(const std::string& flag, const std::string& path);

  // Throws UserError, starting with the flag of the output, unless
  // * each output is new or of its kind: a file does not name a folder (see CheckOutputFile);
  // * no output is an input or another output, except for streams like /dev/null;
  // * no output file would be read as a file of an input folder;
  // * something can be written in the folder of each output, or in the nearest folder above that
  //   exists (by trying it). No folder is made.
  void Run() const;

 private:
  struct Entry {
    std::string flag;
    std::string path;
    bool folder = false;
    std::vector<std::string> endings;  // of input folders
  };

  std::vector<Entry> inputs_;
  std::vector<Entry> outputs_;
};

}  // namespace teacache
