#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/base/archive.h"
#include "datasets/base/progress.h"
#include "datasets/work/shard.h"

namespace teacache {

// The loop over work of every program: a list of items, of which this process does its shard. Items
// that were finished before are kept, the others are worked on by several threads. An item that
// fails does not end the run and is tried again by the next one. An interruption (InterruptGuard)
// ends the loop after the items in work. What is written depends neither on the number of jobs nor
// on interruptions.

// An item that could not be finished.
struct FailedItem {
  size_t index = 0;
  std::string name;
  std::string error;
};

// What became of the items of this shard.
struct WorkSummary {
  int64_t total = 0;
  int64_t resumed = 0;  // finished before
  int64_t done = 0;     // finished now
  bool interrupted = false;
  std::vector<FailedItem> failed;  // in the order of the items

  bool complete() const { return !interrupted && failed.empty(); }
};

struct WorkOptions {
  std::string task;                  // for progress: "scoring"
  std::string unit;                  // in plural: "videos"
  int jobs = 1;                      // items in work at the same time; 0 = one per processor
  Shard shard;                       // which of the items are done
  ProgressSink* progress = nullptr;  // none = silent
  // Commits in the order of the items, which decides about the bytes of files that grow item by
  // item. Otherwise at once, so that nothing that is finished waits for a slow item.
  bool in_order = true;
  bool stop_at_failure = false;  // begins no further item after a failed one
  // Called by every thread before its first item. LibTorch's threads within an item are set here.
  std::function<void()> start_thread;
  // Called once with the items that are to be done, before the first of them.
  std::function<void(const std::vector<size_t>&)> prepare;
};

// What keeps the result of a finished item.
using Commit = std::function<void()>;

// Does the items `names`. finished(i) says whether item i was finished before; it is asked once, in
// order, and may be empty. work(i) does one item on any thread and returns its commit, which is
// called by one thread at a time. An exception of either makes the item a failed one.
WorkSummary RunWork(const std::vector<std::string>& names,
                    const WorkOptions& options,
                    const std::function<bool(size_t)>& finished,
                    const std::function<Commit(size_t)>& work);

// "interrupted after 3 of 10 videos; run the same command again to go on\n" and a line for every
// failed item; "" for a complete run. With `resumable` false the second half is left out.
std::string SummaryText(const WorkSummary& summary, const std::string& unit, bool resumable = true);
// Throws Interruption with that text where the work was interrupted.
void ThrowIfInterrupted(const WorkSummary& summary, const std::string& unit, bool resumable);

// A result with what it is found by.
template <typename Result>
struct JournalResult {
  std::string key;   // its digest
  std::string name;  // of the item, for people
  Result result;
};

template <typename Archive, typename Result>
void Visit(Archive& archive, JournalResult<Result>& entry) {
  archive.Required("key", entry.key);
  archive("name", entry.name);
  archive.Required("result", entry.result);
}

// Results of finished items by key, in a journal, so that they are kept when the work goes on. A
// key names everything that the result depends on, such as paths and FileStamps. Bytes of names
// that are not UTF-8 are replaced.
class ResultJournal {
 public:
  // `path` "" = remembers nothing. `settings`: of archive.h's types. Throws UserError, as Journal
  // does.
  template <typename Settings>
  ResultJournal(const std::string& path, const std::string& program, const Settings& settings)
      : ResultJournal(path, program, Text(settings)) {}
  ~ResultJournal();
  ResultJournal(const ResultJournal&) = delete;
  ResultJournal& operator=(const ResultJournal&) = delete;

  // None = not finished. Throws UserError for a result of another type.
  template <typename Result>
  std::optional<Result> Find(const std::string& key) const {
    JsonDocument document(path_);
    const std::optional<JsonNode> entry = FindEntry(key, &document);
    if (!entry) return std::nullopt;
    return std::move(FromJson<JournalResult<Result>>(*entry).result);
  }
  template <typename Result>
  void Keep(const std::string& key, const std::string& name, const Result& result) {
    Append(Text(JournalResult<Result>{DigestOf(key), name, result}));
  }

 private:
  struct State;

  ResultJournal(const std::string& path, const std::string& program, const std::string& settings);

  template <typename T>
  static std::string Text(const T& value) {
    return ToJson(value, "journal", /*indent=*/-1, BadUtf8::kReplace);
  }
  static std::string DigestOf(const std::string& key);
  std::optional<JsonNode> FindEntry(const std::string& key, JsonDocument* document) const;
  void Append(const std::string& entry);

  std::string path_;
  std::unique_ptr<State> state_;
};

// Size and time of the last change of a file, or of a folder and the files in it: whether a
// finished result still belongs to it. "" for a missing one, or one that cannot be looked at.
std::string FileStamp(const std::string& path);

}  // namespace teacache
