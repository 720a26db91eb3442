#include "metrics/evaluate.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/interrupt.h"
#include "datasets/journal.h"
#include "datasets/version.h"
#include "metrics/pairing.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::pair<std::string_view, SizePolicy>, 5> kSizePolicies = {{
    {"strict", SizePolicy::kStrict},
    {"resize-gen", SizePolicy::kResizeGen},
    {"resize-gt", SizePolicy::kResizeGt},
    {"crop", SizePolicy::kCrop},
    {"batch-eval", SizePolicy::kBatchEval},
}};
constexpr std::array<std::pair<std::string_view, LengthPolicy>, 2> kLengthPolicies = {{
    {"strict", LengthPolicy::kStrict},
    {"min", LengthPolicy::kMin},
}};

template <typename Table>
auto ParseName(const Table& table, std::string_view name, const char* where) {
  std::string names;
  for (const auto& [entry, value] : table) {
    if (entry == name) return value;
    names += (names.empty() ? "" : ", ") + std::string(entry);
  }
  ThrowUserError(where, "must be one of {} but is \"{}\"", names, name);
}

template <typename Table, typename Value>
std::string_view NameOf(const Table& table, Value value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "";
}

std::map<std::string, std::string> Definitions(const ScoreOptions& options,
                                               const PoolingOptions& pooling) {
  std::map<std::string, std::string> context;
  if (options.psnr) {
    context["psnr"] = "10 log10(255^2 / MSE) dB per 8-bit RGB frame, mean over frames";
    if (std::isfinite(options.psnr_cap)) {
      context["psnr"] += fmt::format(", frames capped at {:g} dB", options.psnr_cap);
    } else {
      context["psnr"] += "; identical frames (infinite) are counted, not averaged";
    }
  }
  if (options.ssim) {
    context["ssim"] = fmt::format("{}: {}, mean over frames",
                                  SsimVariantName(options.ssim_variant),
                                  SsimVariantDefinition(options.ssim_variant));
  }
  if (options.lpips) context["lpips"] = options.lpips->Definition() + ", mean over frames";
  context["size_policy"] = SizePolicyName(options.size);
  context["length_policy"] = LengthPolicyName(options.length);
  context["ci95"] = fmt::format("percentile bootstrap over videos, {} resamplings, seed {}",
                                pooling.bootstrap_samples,
                                pooling.seed);
  context["p5"] = "5 % of the videos are worse than this";
  context["tool_version"] = kVersion;
  return context;
}

void AddSummaries(Results* results, PoolingOptions pooling) {
  std::set<std::string> metrics;
  for (const VideoScore& video : results->videos) {
    for (const auto& [metric, value] : video.scores) metrics.insert(metric);
  }
  for (const std::string& metric : metrics) {
    std::vector<double> values;
    std::vector<int64_t> frames;
    for (const VideoScore& video : results->videos) {
      const auto found = video.scores.find(metric);
      if (!video.ok() || found == video.scores.end()) continue;
      values.push_back(found->second);
      frames.push_back(video.frames);
    }
    pooling.higher_is_better = metric != "lpips";
    results->summary[metric] = Summarize(values, frames, pooling);
  }
}

// All generated videos that belong to one ground-truth video.
struct Task {
  std::string name;
  std::string gt;
  std::vector<std::pair<size_t, std::string>> gens;  // index of the folder, path
};

// Size and time of the last change: whether a finished score still belongs to the file.
std::string Stamp(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  if (error) return "";
  const uint64_t size = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  return fmt::format("{}:{}", size, time.time_since_epoch().count());
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
    size_t jobs = options_.jobs > 0 ? options_.jobs : std::thread::hardware_concurrency();
    jobs = std::clamp<size_t>(jobs, 1, std::max<size_t>(tasks_.size(), 1));
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

SizePolicy ParseSizePolicy(std::string_view name) {
  return ParseName(kSizePolicies, name, "size policy");
}
std::string_view SizePolicyName(SizePolicy policy) { return NameOf(kSizePolicies, policy); }

LengthPolicy ParseLengthPolicy(std::string_view name) {
  return ParseName(kLengthPolicies, name, "length policy");
}
std::string_view LengthPolicyName(LengthPolicy policy) { return NameOf(kLengthPolicies, policy); }

void EvaluateOptions::Validate() const {
  if (gt.empty()) ThrowUserError("eval-metrics", "a ground truth (--gt) must be given");
  if (gens.empty()) ThrowUserError("eval-metrics", "generated videos (--gen) must be given");
  if (jobs < 0) ThrowUserError("jobs", "must be 0 (one per processor) or more but is {}", jobs);
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

Results CollectResults(std::vector<VideoScore> videos,
                       const ScoreOptions& options,
                       const PoolingOptions& pooling) {
  Results results;
  results.context = Definitions(options, pooling);
  results.videos = std::move(videos);
  AddSummaries(&results, pooling);
  return results;
}

Results MergeResults(const std::vector<Results>& shards, const PoolingOptions& pooling) {
  if (shards.empty()) ThrowUserError("merge", "needs at least one results file");
  Results merged;
  std::set<std::string> names;
  for (const Results& shard : shards) {
    std::map<std::string, std::string> context = shard.context;
    context.erase("shard");
    if (&shard == &shards[0]) merged.context = context;
    if (context != merged.context) {
      for (const auto& [key, value] : context) {
        if (merged.context[key] != value) {
          ThrowUserError("merge",
                         "definitions must agree but \"{}\" is \"{}\" and \"{}\"",
                         key,
                         merged.context[key],
                         value);
        }
      }
      ThrowUserError("merge", "definitions must agree but one file lacks some");
    }
    for (const VideoScore& video : shard.videos) {
      if (!names.insert(video.name).second) {
        ThrowUserError(
            "merge", "a video must be in one file only but \"{}\" is in two", video.name);
      }
      merged.videos.push_back(video);
    }
    const auto add = [](const std::vector<std::string>& from, std::vector<std::string>* to) {
      for (const std::string& text : from) {
        if (std::find(to->begin(), to->end(), text) == to->end()) to->push_back(text);
      }
    };
    add(shard.unmatched_gt, &merged.unmatched_gt);
    add(shard.unmatched_gen, &merged.unmatched_gen);
    add(shard.warnings, &merged.warnings);
  }
  std::sort(merged.videos.begin(), merged.videos.end(), [](const auto& a, const auto& b) {
    return NaturalLess(a.name, b.name);
  });
  AddSummaries(&merged, pooling);
  return merged;
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

TeaCacheMeans MeansOfBatches(const Results& results, int batch_size) {
  const std::vector<VideoScore>& videos = results.videos;
  if (videos.empty()) ThrowUserError("compat", "needs at least one video");
  const auto mean_of = [&](const std::string& metric) {
    std::vector<double> batches;
    for (size_t start = 0; start < videos.size(); start += batch_size) {
      const size_t end = std::min(videos.size(), start + batch_size);
      std::vector<double> steps;
      for (size_t i = start; i < end; ++i) {
        if (!videos[i].ok()) ThrowUserError(videos[i].name, "{}", videos[i].error);
        const auto found = videos[i].per_frame.find(metric);
        if (found == videos[i].per_frame.end()) return std::numeric_limits<double>::quiet_NaN();
        if (i == start) steps.resize(found->second.size());
        if (found->second.size() != steps.size()) {
          ThrowUserError(videos[i].name,
                         "must have {} frames as the first video of its batch of {} but has {}",
                         steps.size(),
                         batch_size,
                         found->second.size());
        }
        for (size_t t = 0; t < steps.size(); ++t) steps[t] += found->second[t];
      }
      for (double& step : steps) step /= static_cast<double>(end - start);
      batches.push_back(Mean(steps));
    }
    return Mean(batches);
  };
  return {mean_of("lpips"), mean_of("psnr"), mean_of("ssim")};
}

std::string TeaCacheLine(const Results& results) {
  const TeaCacheMeans means = MeansOfBatches(results);
  return fmt::format(
      "lpips: {:.4f}, psnr: {:.4f}, ssim: {:.4f}", means.lpips, means.psnr, means.ssim);
}

}  // namespace teacache
