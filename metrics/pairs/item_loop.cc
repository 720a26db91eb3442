#include "metrics/pairs/item_loop.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/journal.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

class ItemLoop {
 public:
  ItemLoop(const std::vector<LoopItem>& items,
           const ItemLoopOptions& options,
           const std::function<nlohmann::json(size_t)>& work)
      : items_(items), options_(options), work_(work), done_(items.size(), 0) {}

  void Restore(const std::function<bool(size_t, const nlohmann::json&)>& restore) {
    if (options_.journal.empty()) return;
    journal_.emplace(options_.journal, options_.program, options_.settings);
    std::map<std::string, const nlohmann::json*> entries;
    for (const nlohmann::json& entry : journal_->entries()) {
      const auto key = entry.find("key");
      if (key != entry.end() && key->is_string() && entry.contains("result")) {
        entries[key->get<std::string>()] = &entry;
      }
    }
    for (size_t i = 0; i < items_.size(); ++i) {
      const auto found = entries.find(Key(i));
      if (found == entries.end() || !restore(i, found->second->at("result"))) continue;
      done_[i] = 1;
      ++finished_;
    }
  }

  void Run() {
    Report("");
    size_t jobs = options_.jobs > 0 ? options_.jobs : std::thread::hardware_concurrency();
    jobs = std::clamp<size_t>(jobs, 1, std::max<size_t>(items_.size(), 1));
    std::vector<std::thread> threads;
    for (size_t i = 1; i < jobs; ++i) threads.emplace_back([this] { Work(); });
    Work();
    for (std::thread& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
    if (finished_ < items_.size()) {
      throw Interruption(fmt::format("after {} of {} videos{}",
                                     finished_.load(),
                                     items_.size(),
                                     journal_ ? "; run again to go on" : ""));
    }
  }

 private:
  std::string Key(size_t i) const { return Sha256Hex(std::string_view(items_[i].key)); }

  void Work() {
    for (size_t i; (i = next_++) < items_.size();) {
      if (done_[i] != 0) continue;
      if (Interrupted() || stop_) return;
      try {
        nlohmann::json result = work_(i);
        if (journal_ && !result.is_null()) {
          journal_->Append(
              {{"key", Key(i)}, {"name", items_[i].name}, {"result", std::move(result)}});
        }
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        stop_ = true;
        return;
      }
      ++finished_;
      Report(items_[i].name);
    }
  }

  void Report(const std::string& item) {
    if (options_.progress == nullptr) return;
    options_.progress->Report({"scoring",
                               "videos",
                               static_cast<int64_t>(finished_.load()),
                               static_cast<int64_t>(items_.size()),
                               item});
  }

  const std::vector<LoopItem>& items_;
  const ItemLoopOptions& options_;
  const std::function<nlohmann::json(size_t)>& work_;
  std::vector<char> done_;  // restored from the journal
  std::optional<Journal> journal_;
  std::atomic<size_t> next_ = 0;
  std::atomic<size_t> finished_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void RunItems(const std::vector<LoopItem>& items,
              const ItemLoopOptions& options,
              const std::function<bool(size_t, const nlohmann::json&)>& restore,
              const std::function<nlohmann::json(size_t)>& work) {
  ItemLoop loop(items, options, work);
  loop.Restore(restore);
  loop.Run();
}

std::string FileStamp(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  if (error) return "";
  const uint64_t size = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  std::string stamp = fmt::format("{}:{}", size, time.time_since_epoch().count());
  if (fs::is_directory(path, error)) {
    for (const std::string& name : ListFolder(path)) {
      stamp += fmt::format("\n{} {}", name, FileStamp((fs::path(path) / name).string()));
    }
  }
  return stamp;
}

}  // namespace teacache
