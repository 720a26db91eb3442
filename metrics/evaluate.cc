#include "metrics/evaluate.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/interrupt.h"
#include "datasets/journal.h"
#include "metrics/collect_results.h"
#include "metrics/pairing.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// H.264 decoders hold about a dozen frames of 4:2:0; the whole program stays below 300 MB.
constexpr double kReaderBytesPerPixel = 20;
constexpr double kFrameMemory = 1e8;

// All generated videos that belong to one ground-truth video.
struct Task {
  std::string name;
  std::string gt;
  std::vector<std::pair<size_t, std::string>> gens;  // index of the folder, path
};

// Size and time of the last change, in folders of every picture: whether a finished score still
// belongs to the file.
std::string Stamp(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  if (error) return "";
  const uint64_t size = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  std::string stamp = fmt::format("{}:{}", size, time.time_since_epoch().count());
  if (fs::is_directory(path, error)) {
    for (const std::string& name : ListFolder(path)) {
      stamp += fmt::format("\n{} {}", name, Stamp((fs::path(path) / name).string()));
    }
  }
  return stamp;
}

nlohmann::json JournalSettings(const EvaluateOptions& options) {
  nlohmann::json settings = Definitions(options.score, options.pooling);
  settings["gt"] = fs::absolute(options.gt).lexically_normal().string();
  for (const std::string& gen : options.gens) {
    settings["gens"].push_back(fs::absolute(gen).lexically_normal().string());
  }
  settings["metrics"] = fmt::format("psnr {} ssim {} lpips {}",
                                    options.score.psnr,
                                    options.score.ssim,
                                    options.score.lpips != nullptr);
  settings["psnr_cap"] = fmt::format("{}", options.score.psnr_cap);
  settings["per_frame"] = options.score.per_frame;
  settings["decoder"] = static_cast<int>(options.reader.decoder);
  settings["teacache"] = options.teacache;
  settings["shard"] = fmt::format("{}/{}", options.shard.index, options.shard.count);
  return settings;
}

// Scores tasks with several threads and remembers what is finished.
class Evaluation {
 public:
  Evaluation(const EvaluateOptions& options, std::vector<Task> tasks)
      : options_(options), tasks_(std::move(tasks)), rows_(tasks_.size()) {
    if (!options.journal.empty()) OpenJournal();
  }

  // rows[task][i] belongs to tasks[task].gens[i].
  std::vector<std::vector<VideoScore>> Run() {
    Report("");
    const size_t jobs = std::clamp<size_t>(Jobs(), 1, std::max<size_t>(tasks_.size(), 1));
    std::vector<std::thread> threads;
    for (size_t i = 1; i < jobs; ++i) threads.emplace_back([this] { Work(); });
    Work();
    for (std::thread& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
    if (finished_ < tasks_.size()) {
      ThrowUserError("eval-metrics",
                     "interrupted after {} of {} videos{}",
                     finished_.load(),
                     tasks_.size(),
                     journal_ ? "; run again to go on" : "");
    }
    return std::move(rows_);
  }

 private:
  // As many as asked for, or one per processor as far as memory goes, judged by the first video.
  size_t Jobs() const {
    if (options_.jobs > 0) return static_cast<size_t>(options_.jobs);
    const size_t processors = std::max(1u, std::thread::hardware_concurrency());
    if (tasks_.empty()) return 1;
    try {
      const VideoInfo info = OpenVideo(tasks_[0].gt, options_.reader)->info();
      const double readers = 1.0 + static_cast<double>(tasks_[0].gens.size());
      const double bytes = kReaderBytesPerPixel * readers * info.width * info.height;
      return static_cast<size_t>(
          std::clamp(kFrameMemory / bytes, 1.0, static_cast<double>(processors)));
    } catch (const UserError&) {
      return processors;
    }
  }

  void OpenJournal() {
    journal_.emplace(options_.journal, "eval-metrics", JournalSettings(options_));
    std::map<std::string, const nlohmann::json*> entries;
    for (const nlohmann::json& entry : journal_->entries()) {
      if (entry.contains("key") && entry["key"].is_string()) {
        entries[entry["key"].get<std::string>()] = &entry;
      }
    }
    for (size_t i = 0; i < tasks_.size(); ++i) {
      const auto found = entries.find(Key(tasks_[i]));
      if (found == entries.end() || !found->second->contains("scores")) continue;
      for (const nlohmann::json& score : (*found->second)["scores"]) {
        rows_[i].push_back(VideoScoreFromJson(score.dump(), options_.journal));
      }
      if (rows_[i].size() != tasks_[i].gens.size()) rows_[i].clear();
      if (!rows_[i].empty()) ++finished_;
    }
  }

  // What a finished task is recognised by: the files as they are.
  static std::string Key(const Task& task) {
    std::string text = task.name + "\n" + task.gt + "\n" + Stamp(task.gt);
    for (const auto& [index, path] : task.gens) {
      text += fmt::format("\n{} {} {}", index, path, Stamp(path));
    }
    return Sha256Hex(std::string_view(text));
  }

  void Work() {
    for (size_t i; (i = next_++) < tasks_.size();) {
      if (!rows_[i].empty()) continue;
      if (Interrupted() || stop_) return;
      try {
        rows_[i] = Score(tasks_[i]);
        Remember(i);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        stop_ = true;
        return;
      }
      ++finished_;
      Report(tasks_[i].name);
    }
  }

  std::vector<VideoScore> Score(const Task& task) const {
    std::vector<VideoScore> rows(task.gens.size());
    std::unique_ptr<VideoReader> gt;
    std::string gt_error;
    try {
      gt = OpenVideo(task.gt, options_.reader);
    } catch (const UserError& error) {
      gt_error = std::string("ground truth: ") + error.what();
    }
    std::vector<std::unique_ptr<VideoReader>> readers;
    std::vector<VideoReader*> gens;
    std::vector<size_t> row_of;
    for (size_t i = 0; i < task.gens.size(); ++i) {
      rows[i].gt.path = task.gt;
      rows[i].gen.path = task.gens[i].second;
      rows[i].error = gt_error;
      if (!gt) continue;
      rows[i].gt = gt->info();
      try {
        readers.push_back(OpenVideo(task.gens[i].second, options_.reader));
        gens.push_back(readers.back().get());
        row_of.push_back(i);
      } catch (const UserError& error) {
        rows[i].error = error.what();
      }
    }
    if (gt) {
      std::vector<VideoScore> scores = ScoreStreams(*gt, gens, options_.score);
      for (size_t i = 0; i < scores.size(); ++i) rows[row_of[i]] = std::move(scores[i]);
    }
    for (VideoScore& row : rows) row.name = task.name;
    return rows;
  }

  // Only what succeeded: an error may be mended before the next run.
  void Remember(size_t task) {
    const std::vector<VideoScore>& rows = rows_[task];
    if (!journal_ || !std::all_of(rows.begin(), rows.end(), [](auto& r) { return r.ok(); })) return;
    nlohmann::json scores = nlohmann::json::array();
    for (const VideoScore& row : rows)
      scores.push_back(nlohmann::json::parse(VideoScoreToJson(row)));
    journal_->Append({{"key", Key(tasks_[task])}, {"name", tasks_[task].name}, {"scores", scores}});
  }

  void Report(const std::string& item) {
    if (options_.progress == nullptr) return;
    options_.progress->Report({"scoring",
                               "videos",
                               static_cast<int64_t>(finished_.load()),
                               static_cast<int64_t>(tasks_.size()),
                               item});
  }

  const EvaluateOptions& options_;
  std::vector<Task> tasks_;
  std::vector<std::vector<VideoScore>> rows_;
  std::optional<Journal> journal_;
  std::atomic<size_t> next_ = 0;
  std::atomic<size_t> finished_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

std::vector<Pairing> PairAll(const EvaluateOptions& options) {
  std::vector<Pairing> pairings;
  if (options.teacache) {
    for (const std::string& gen : options.gens) {
      pairings.push_back(PairAsTeaCache(options.gt, gen, options.teacache_order));
    }
    return pairings;
  }
  const std::vector<NamedVideo> gt = FindVideos(options.gt, options.recursive);
  for (const std::string& gen : options.gens) {
    pairings.push_back(PairByName(gt, FindVideos(gen, options.recursive)));
    if (pairings.back().pairs.empty()) {
      ThrowUserError(gen,
                     "must hold videos of the same names as {} but none of {} match",
                     options.gt,
                     pairings.back().unmatched_gen.size());
    }
  }
  return pairings;
}

// One task per ground-truth video, in the order in which pairings first name it.
std::vector<Task> GroupByGt(const std::vector<Pairing>& pairings, const Shard& shard) {
  std::vector<Task> tasks;
  std::map<std::string, size_t> task_of;
  for (size_t folder = 0; folder < pairings.size(); ++folder) {
    for (const VideoPair& pair : pairings[folder].pairs) {
      const auto [found, added] = task_of.emplace(pair.gt, tasks.size());
      if (added) tasks.push_back({pair.name, pair.gt, {}});
      tasks[found->second].gens.emplace_back(folder, pair.gen);
    }
  }
  std::vector<Task> mine;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (shard.Contains(static_cast<int64_t>(i))) mine.push_back(std::move(tasks[i]));
  }
  return mine;
}

}  // namespace

void EvaluateOptions::Validate() const {
  if (gt.empty()) ThrowUserError("eval-metrics", "a ground truth (--gt) must be given");
  if (gens.empty()) ThrowUserError("eval-metrics", "generated videos (--gen) must be given");
  if (jobs < 0)
    ThrowUserError("jobs", "must be 0 (by processors and memory) or more but is {}", jobs);
  if (!score.psnr && !score.ssim && !score.lpips) {
    ThrowUserError("eval-metrics", "at least one metric must be chosen");
  }
  if (!(score.psnr_cap > 0)) {
    ThrowUserError("PSNR cap", "must be a positive number of dB but is {}", score.psnr_cap);
  }
  if (pooling.bootstrap_samples < 0) {
    ThrowUserError(
        "bootstrap", "must be 0 or more resamplings but is {}", pooling.bootstrap_samples);
  }
}

std::vector<Results> EvaluateFolders(const EvaluateOptions& given) {
  EvaluateOptions options = given;
  options.Validate();
  if (options.teacache) {
    options.reader.decoder = VideoReaderOptions::Decoder::kImageio;
    options.score.psnr_cap = std::min(options.score.psnr_cap, 100.0);
    options.score.per_frame = true;  // TeaCacheLine needs them
  }
  const std::vector<Pairing> pairings = PairAll(options);
  if (options.progress != nullptr) {
    for (const std::string& note : options.notes) options.progress->Warn(note);
  }
  std::vector<Task> tasks = GroupByGt(pairings, options.shard);
  std::vector<std::vector<VideoScore>> rows = Evaluation(options, tasks).Run();

  // Back into the order of each folder's pairs.
  std::vector<std::map<std::string, VideoScore>> by_path(options.gens.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (size_t j = 0; j < tasks[i].gens.size(); ++j) {
      by_path[tasks[i].gens[j].first][tasks[i].gens[j].second] = std::move(rows[i][j]);
    }
  }
  std::vector<Results> all;
  for (size_t folder = 0; folder < pairings.size(); ++folder) {
    std::vector<VideoScore> videos;
    for (const VideoPair& pair : pairings[folder].pairs) {
      const auto found = by_path[folder].find(pair.gen);
      if (found == by_path[folder].end()) continue;
      videos.push_back(std::move(found->second));
      videos.back().name = pair.name;
    }
    Results results = CollectResults(std::move(videos), options.score, options.pooling);
    results.context["gt"] = options.gt;
    results.context["gen"] = options.gens[folder];
    results.context["decoder"] =
        options.reader.decoder == VideoReaderOptions::Decoder::kImageio ? "imageio" : "native";
    if (options.teacache) results.context["compat"] = "teacache";
    if (options.shard.count > 1) {
      results.context["shard"] = fmt::format("{}/{}", options.shard.index, options.shard.count);
    }
    results.unmatched_gt = pairings[folder].unmatched_gt;
    results.unmatched_gen = pairings[folder].unmatched_gen;
    all.push_back(std::move(results));
  }
  return all;
}

}  // namespace teacache
