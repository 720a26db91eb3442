#include "datasets/work/work_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "datasets/base/files.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/journal.h"
#include "datasets/base/message.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

class Loop {
 public:
  Loop(const std::vector<std::string>& names,
       const WorkOptions& options,
       const std::function<Commit(size_t)>& work)
      : names_(names),
        options_(options),
        work_(work),
        progress_(options.progress ? *options.progress : NoProgress()) {}

  WorkSummary Run(const std::function<bool(size_t)>& finished) {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (!options_.shard.Contains(static_cast<int64_t>(i))) continue;
      ++summary_.total;
      if (finished && finished(i)) {
        ++summary_.resumed;
      } else {
        todo_.push_back(i);
      }
    }
    Report("");
    if (options_.prepare && !todo_.empty()) options_.prepare(todo_);
    RunThreads();
    summary_.interrupted = summary_.resumed + summary_.done + Failures() < summary_.total;
    std::ranges::sort(summary_.failed, {}, &FailedItem::index);
    return std::move(summary_);
  }

 private:
  struct Finished {
    Commit commit;
    std::string error;  // "" = none
  };

  int64_t Failures() const { return static_cast<int64_t>(summary_.failed.size()); }

  void RunThreads() {
    size_t jobs = options_.jobs > 0 ? options_.jobs : std::thread::hardware_concurrency();
    jobs = std::clamp<size_t>(jobs, 1, std::max<size_t>(todo_.size(), 1));
    std::vector<std::thread> threads;
    for (size_t j = 1; j < jobs; ++j) threads.emplace_back([this] { Work(); });
    Work();
    for (std::thread& thread : threads) thread.join();
  }

  void Work() {
    if (options_.start_thread) options_.start_thread();
    for (size_t position = 0; Take(&position);) {
      Finished finished;
      finished.error = ErrorOf([&] { finished.commit = work_(todo_[position]); });
      const std::lock_guard lock(mutex_);
      if (!options_.in_order) {
        Keep(position, &finished);
        continue;
      }
      waiting_.emplace(position, std::move(finished));
      for (auto it = waiting_.find(kept_); it != waiting_.end(); it = waiting_.find(kept_)) {
        Keep(kept_++, &it->second);
        waiting_.erase(it);
      }
    }
  }

  bool Take(size_t* position) {
    const std::lock_guard lock(mutex_);
    const bool stop = options_.stop_at_failure && !summary_.failed.empty();
    if (next_ >= todo_.size() || stop || Interrupted()) return false;
    *position = next_++;
    return true;
  }

  // With the lock held.
  void Keep(size_t position, Finished* finished) {
    const size_t i = todo_[position];
    if (finished->error.empty() && finished->commit) finished->error = ErrorOf(finished->commit);
    if (finished->error.empty()) {
      ++summary_.done;
    } else {
      progress_.Warn(fmt::format("{}: {}", names_[i], finished->error));
      summary_.failed.push_back({i, names_[i], std::move(finished->error)});
    }
    Report(names_[i]);
  }

  template <typename Function>
  static std::string ErrorOf(const Function& function) {
    try {
      function();
      return "";
    } catch (const std::exception& error) {
      return *error.what() ? error.what() : "unknown failure";
    }
  }

  void Report(const std::string& name) {
    progress_.Report({options_.task,
                      options_.unit,
                      summary_.resumed + summary_.done + Failures(),
                      summary_.total,
                      name});
  }

  const std::vector<std::string>& names_;
  const WorkOptions& options_;
  const std::function<Commit(size_t)>& work_;
  ProgressSink& progress_;
  std::vector<size_t> todo_;  // items
  std::mutex mutex_;          // of all below
  WorkSummary summary_;
  size_t next_ = 0;  // position in todo_
  size_t kept_ = 0;
  std::map<size_t, Finished> waiting_;  // for earlier ones to be committed
};

std::string InterruptedText(const WorkSummary& summary, const std::string& unit, bool resumable) {
  return fmt::format("after {} of {} {}{}",
                     summary.resumed + summary.done,
                     summary.total,
                     unit,
                     resumable ? "; run the same command again to go on" : "");
}

}  // namespace

WorkSummary RunWork(const std::vector<std::string>& names,
                    const WorkOptions& options,
                    const std::function<bool(size_t)>& finished,
                    const std::function<Commit(size_t)>& work) {
  return Loop(names, options, work).Run(finished);
}

std::string SummaryText(const WorkSummary& summary, const std::string& unit, bool resumable) {
  std::string text;
  for (const FailedItem& item : summary.failed) {
    text += fmt::format("failed: {}: {}\n", OneLine(item.name), OneLine(item.error));
  }
  if (summary.interrupted) {
    text += fmt::format("interrupted {}\n", InterruptedText(summary, unit, resumable));
  }
  return text;
}

void ThrowIfInterrupted(const WorkSummary& summary, const std::string& unit, bool resumable) {
  if (summary.interrupted) throw Interruption(InterruptedText(summary, unit, resumable));
}

struct ResultJournal::State {
  Journal journal;
  std::map<std::string, size_t> entries;  // by digest of the key; the last one counts

  State(const std::string& path, const std::string& program, const std::string& settings)
      : journal(path, program, settings) {
    size_t number = 0;
    journal.contents().ForEachEntry(
        [&](const JsonNode& entry) { entries[entry.At("key").String()] = number++; });
  }
};

ResultJournal::ResultJournal(const std::string& path,
                             const std::string& program,
                             const std::string& settings)
    : path_(path) {
  if (!path.empty()) state_ = std::make_unique<State>(path, program, settings);
}

ResultJournal::~ResultJournal() = default;

std::string ResultJournal::DigestOf(const std::string& key) {
  return Sha256Hex(std::string_view(key));
}

std::optional<JsonNode> ResultJournal::FindEntry(const std::string& key,
                                                 JsonDocument* document) const {
  if (!state_) return std::nullopt;
  const auto found = state_->entries.find(DigestOf(key));
  if (found == state_->entries.end()) return std::nullopt;
  return state_->journal.contents().Parse(found->second, document);
}

void ResultJournal::Append(const std::string& entry) {
  if (state_) state_->journal.Append(entry);
}

std::string FileStamp(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  if (error) return "";
  const uint64_t size = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  std::string stamp = fmt::format("{}:{}", size, time.time_since_epoch().count());
  if (!fs::is_directory(path, error)) return stamp;
  fs::directory_iterator entries(path, error);
  std::vector<std::string> stamps;
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    // Folders in it are not followed: a link may lead back to this one.
    const std::string name = entries->path().filename().string();
    if (name.starts_with('.') || entries->is_directory(error)) continue;
    stamps.push_back("\n" + name + " " + FileStamp(entries->path().string()));
  }
  std::ranges::sort(stamps);
  for (const std::string& file : stamps) stamp += file;
  return stamp;
}

}  // namespace teacache
