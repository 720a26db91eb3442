#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/base/json.h"

namespace teacache {

// A journal remembers finished items of long work, one JSON object per line, so that a run that was
// stopped goes on where it was. The first line says what the work is:
//   {"format": "teacache-journal", "version": 1, "kind": ..., "digest": ..., "settings": {...}}
// where digest is the SHA-256 of the settings. Going on with other settings is refused. Settings
// and entries are JSON texts of one line here: ToJson of archive.h makes them, FromJson reads them.

// What a journal holds.
struct JournalContents {
  std::string path;
  std::string kind;
  std::string settings;
  std::vector<std::string> entries;   // in the order of appending
  std::vector<std::string> warnings;  // e.g. a cut last line that was left out

  // Calls visit(node) for each entry. Messages of the node name the line.
  template <typename Visit>
  void ForEachEntry(const Visit& visit) const {
    JsonDocument document(path);
    for (size_t i = 0; i < entries.size(); ++i) visit(Parse(i, &document));
  }
  // Entry number i; the node lives as long as `document`.
  JsonNode Parse(size_t i, JsonDocument* document) const;
};

// Reads without changing the file. A cut last line is a warning; anything else that is wrong throws
// UserError naming file and line.
JournalContents ReadJournal(const std::string& path);

// A journal open for appending. Only one process may hold it at a time (an advisory lock, where the
// file system has locks).
class Journal {
 public:
  // Creates the file, or reads it and removes a cut last line. Throws UserError when the file is of
  // another kind or other settings (the message names the first setting that differs), is in use
  // or is no journal.
  Journal(const std::string& path, const std::string& kind, const std::string& settings);
  ~Journal();
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;

  // What was there when it was opened.
  const JournalContents& contents() const;
  const std::vector<std::string>& warnings() const { return contents().warnings; }

  // Adds one line and waits until it is on the disk. `entry` must be an object. May be called from
  // several threads. Throws UserError (disk full); the file then still ends with a whole line.
  void Append(const std::string& entry);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace teacache
