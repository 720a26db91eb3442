#include "metrics/pairs/evaluate.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <thread>

#include "datasets/base/error.h"
#include "datasets/results_fields.h"
#include "datasets/work/parts.h"
#include "datasets/work/work_loop.h"
#include "metrics/frames/psnr.h"
#include "metrics/pairs/collect_results.h"
#include "metrics/pairs/pairing.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// H.264 decoders hold about a dozen frames of 4:2:0; the whole program stays below 300 MB.
constexpr double kReaderBytesPerPixel = 20;
constexpr double kFrameMemory = 1e8;
constexpr const char* kUnit = "videos";

// All generated videos that belong to one ground-truth video.
struct Task {
  std::string name;
  std::string gt;
  std::vector<std::pair<size_t, std::string>> gens;  // index of the folder, path
};

// What decides about the scores of a journal.
struct JournalSettings {
  std::map<std::string, std::string> definitions;
  std::vector<std::string> gens;
  bool per_frame = false;
  bool teacache = false;
};

template <typename Archive>
void Visit(Archive& archive, JournalSettings& settings) {
  for (auto& [name, text] : settings.definitions) archive(name, text);
  archive("gens", settings.gens);
  archive("per_frame", settings.per_frame);
  archive("teacache", settings.teacache);
}

JournalSettings SettingsOf(const EvaluateOptions& options) {
  JournalSettings settings;
  std::map<std::string, std::string>& texts = settings.definitions;
  texts = Definitions(options.score, options.pooling);
  texts.erase("ci95");  // other resamplings change no score
  texts["gt"] = fs::absolute(options.gt).lexically_normal().string();
  texts["metrics"] = NamesOf(options.score.metrics);
  texts["decoder"] = fmt::format("{}", static_cast<int>(options.reader.decoder));
  texts["shard"] = fmt::format("{}/{}", options.shard.index, options.shard.count);
  for (const std::string& gen : options.gens) {
    settings.gens.push_back(fs::absolute(gen).lexically_normal().string());
  }
  settings.per_frame = options.score.per_frame;
  settings.teacache = options.teacache;
  return settings;
}

// As many as asked for, or one per processor as far as memory goes, judged by the first video.
int Jobs(const std::vector<Task>& tasks, const EvaluateOptions& options) {
  if (options.jobs > 0 || tasks.empty()) return std::max(options.jobs, 1);
  const double processors = std::max(1u, std::thread::hardware_concurrency());
  try {
    const VideoInfo info = OpenVideo(tasks[0].gt, options.reader)->info();
    const double readers = 1.0 + static_cast<double>(tasks[0].gens.size());
    const double bytes = kReaderBytesPerPixel * readers * info.width * info.height;
    return static_cast<int>(std::clamp(kFrameMemory / bytes, 1.0, processors));
  } catch (const UserError&) {
    return static_cast<int>(processors);
  }
}

// What a finished task is recognised by: the files as they are.
std::string Key(const Task& task) {
  std::string text = task.name + "\n" + task.gt + "\n" + FileStamp(task.gt);
  for (const auto& [index, path] : task.gens) {
    text += fmt::format("\n{} {} {}", index, path, FileStamp(path));
  }
  return text;
}

std::vector<VideoScore> Score(const Task& task, const EvaluateOptions& options) {
  std::vector<VideoScore> rows(task.gens.size());
  std::unique_ptr<VideoReader> gt;
  std::string gt_error;
  try {
    gt = OpenVideo(task.gt, options.reader);
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
      readers.push_back(OpenVideo(task.gens[i].second, options.reader));
      gens.push_back(readers.back().get());
      row_of.push_back(i);
    } catch (const UserError& error) {
      rows[i].error = error.what();
    }
  }
  if (gt) {
    std::vector<VideoScore> scores = ScoreStreams(*gt, gens, options.score);
    for (size_t i = 0; i < scores.size(); ++i) rows[row_of[i]] = std::move(scores[i]);
  }
  for (VideoScore& row : rows) row.name = task.name;
  return rows;
}

std::vector<VideoScore> FailedRows(const Task& task, const std::string& error) {
  std::vector<VideoScore> rows(task.gens.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].name = task.name;
    rows[i].gt.path = task.gt;
    rows[i].gen.path = task.gens[i].second;
    rows[i].error = error;
  }
  return rows;
}

// rows[task][i] belongs to tasks[task].gens[i]; those of other shards stay empty.
std::vector<std::vector<VideoScore>> ScoreTasks(const std::vector<Task>& tasks,
                                                const EvaluateOptions& options) {
  std::vector<std::vector<VideoScore>> rows(tasks.size());
  std::vector<std::string> names;
  std::vector<std::string> keys;
  for (const Task& task : tasks) {
    names.push_back(task.name);
    keys.push_back(Key(task));
  }
  ResultJournal journal(options.journal, "eval-metrics", SettingsOf(options));
  WorkOptions work;
  work.task = "scoring";
  work.unit = kUnit;
  work.jobs = Jobs(tasks, options);
  work.shard = options.shard;
  work.progress = options.progress;
  work.in_order = false;
  const WorkSummary summary = RunWork(
      names,
      work,
      [&](size_t i) {
        if (auto scores = journal.Find<std::vector<VideoScore>>(keys[i]))
          rows[i] = std::move(*scores);
        if (rows[i].size() != tasks[i].gens.size()) rows[i].clear();
        return !rows[i].empty();
      },
      [&](size_t i) {
        std::vector<VideoScore> scores = Score(tasks[i], options);
        return [&, i, scores = std::move(scores)] {
          rows[i] = scores;
          // An error may be mended before the next run.
          if (std::ranges::all_of(scores, &VideoScore::ok)) {
            journal.Keep(keys[i], names[i], scores);
          }
        };
      });
  ThrowIfInterrupted(summary, kUnit, !options.journal.empty());
  for (const FailedItem& item : summary.failed) {
    rows[item.index] = FailedRows(tasks[item.index], item.error);
  }
  return rows;
}

std::vector<Pairing> PairAll(const EvaluateOptions& options) {
  std::vector<Pairing> pairings;
  if (options.teacache) {
    for (const std::string& gen : options.gens) {
      pairings.push_back(PairAsTeaCache(options.gt, gen, options.teacache_order));
    }
    return pairings;
  }
  const std::vector<NamedVideo> gt = FindVideos(options.gt, options.recursive, options.items);
  for (const std::string& gen : options.gens) {
    pairings.push_back(PairByName(gt, FindVideos(gen, options.recursive, options.items)));
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
std::vector<Task> GroupByGt(const std::vector<Pairing>& pairings) {
  std::vector<Task> tasks;
  std::map<std::string, size_t> task_of;
  for (size_t folder = 0; folder < pairings.size(); ++folder) {
    for (const VideoPair& pair : pairings[folder].pairs) {
      const auto [found, added] = task_of.emplace(pair.gt, tasks.size());
      if (added) tasks.push_back({pair.name, pair.gt, {}});
      tasks[found->second].gens.emplace_back(folder, pair.gen);
    }
  }
  return tasks;
}

// Named, so that no mean is silently over the rest.
std::vector<std::string> LeftOut(const EvaluateOptions& options,
                                 const Pairing& pairing,
                                 const std::string& gen) {
  std::vector<std::string> gt_paths = pairing.unmatched_gt, gen_paths = pairing.unmatched_gen;
  for (const VideoPair& pair : pairing.pairs) {
    gt_paths.push_back(pair.gt);
    gen_paths.push_back(pair.gen);
  }
  std::vector<std::string> left_out = VideosLeftOut(options.gt, options.recursive, gt_paths);
  // The script takes the names from the generated videos: others of the ground truth are expected.
  if (options.teacache) {
    std::erase_if(left_out, [](const std::string& path) { return path.ends_with(".mp4"); });
  }
  for (std::string& path : VideosLeftOut(gen, options.recursive, gen_paths)) {
    left_out.push_back(std::move(path));
  }
  return left_out;
}

}  // namespace

void EvaluateOptions::Validate() const {
  if (gt.empty()) ThrowUserError("--gt", "a ground truth must be given");
  if (gens.empty()) ThrowUserError("--gen", "generated videos must be given");
  if (jobs < 0)
    ThrowUserError("--jobs", "must be 0 (by processors and memory) or more but is {}", jobs);
  if (score.metrics.empty()) ThrowUserError("--metrics", "at least one metric must be chosen");
  if (pooling.bootstrap_samples < 0) {
    ThrowUserError(
        "--bootstrap", "must be 0 or more resamplings but is {}", pooling.bootstrap_samples);
  }
}

std::vector<Results> EvaluateFolders(const EvaluateOptions& given) {
  EvaluateOptions options = given;
  options.Validate();
  if (options.teacache) {
    options.reader.decoder = VideoReaderOptions::Decoder::kImageio;
    for (auto& metric : options.score.metrics) {
      if (metric->info().name != "psnr") continue;
      metric = std::make_shared<PsnrMetric>(std::min(metric->info().best, 100.0));
    }
    options.score.per_frame = true;  // TeaCacheLine needs them
  }
  NotePart(options.shard, options.progress);
  const std::vector<Pairing> pairings = PairAll(options);
  if (options.progress != nullptr) {
    for (const std::string& note : options.notes) options.progress->Warn(note);
  }
  const std::vector<Task> tasks = GroupByGt(pairings);
  std::vector<std::vector<VideoScore>> rows = ScoreTasks(tasks, options);

  // Back into the order of each folder's pairs.
  std::vector<std::map<std::string, VideoScore>> by_path(options.gens.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (size_t j = 0; j < rows[i].size(); ++j) {
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
    results.left_out = LeftOut(options, pairings[folder], options.gens[folder]);
    all.push_back(std::move(results));
  }
  return all;
}

}  // namespace teacache
