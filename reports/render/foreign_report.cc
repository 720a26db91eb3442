#include "reports/render/foreign_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/video/video.h"
#include "metrics/pairs/evaluate.h"
#include "metrics/pairs/pairing.h"
#include "reports/findings/labels.h"
#include "reports/findings/scores.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

std::string Stem(const std::string& path) {
  const fs::path p(path);
  return fs::is_directory(p) ? p.filename().string() : p.stem().string();
}

int64_t BytesOf(const std::string& path) {
  if (!fs::is_directory(path)) return static_cast<int64_t>(fs::file_size(path));
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

// "{prompt}-{seed}" as TeaCache's scripts name videos; a name without a number is a prompt of its
// own with seed 0.
std::pair<std::string, int64_t> SplitName(const std::string& name) {
  const size_t dash = name.rfind('-');
  const std::string digits = dash == std::string::npos ? "" : name.substr(dash + 1);
  if (dash == 0 || digits.empty() || digits.size() > 18 ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return {name, 0};
  }
  return {name.substr(0, dash), std::stoll(digits)};
}

// All settings of one model.
class ModelReport {
 public:
  ModelReport(std::string model, std::vector<ForeignSetting> settings, const RenderOptions& options)
      : model_(std::move(model)), settings_(std::move(settings)), options_(options) {}

  Report Make() {
    PutUncachedFirst();
    CheckNames();
    ListVideos();
    const std::vector<Results> results = Score();
    for (const auto& metric : options_.metrics) report_.metrics.push_back(metric->info());
    std::ranges::copy(VbenchMetrics(options_.vbench), std::back_inserter(report_.metrics));
    report_.models.emplace_back().name = model_;
    report_.rows.push_back(UncachedRow(results));
    for (size_t i = 1; i < settings_.size(); ++i) {
      report_.rows.push_back(CachedRow(settings_[i], results[i - 1]));
    }
    for (size_t i = 0; i < settings_.size(); ++i) ScoreAlone(settings_[i], &report_.rows[i]);
    DescribeModel(results);
    WarnOfLossyFiles(results);
    MatchByCalls();
    return std::move(report_);
  }

 private:
  void PutUncachedFirst() {
    const auto is_uncached = [this](const ForeignSetting& setting) {
      return options_.uncached.empty()
                 ? setting.policy == "none"
                 : setting.name == options_.uncached || setting.folder == options_.uncached;
    };
    const auto count = std::ranges::count_if(settings_, is_uncached);
    if (count != 1) {
      std::vector<std::string> names;
      for (const ForeignSetting& setting : settings_) names.push_back(setting.name);
      ThrowUserError(
          "render",
          "exactly one folder of model \"{}\" must be the uncached one (named none or uncached, "
          "\"policy\": \"none\" in its setting.json, or --uncached NAME) but {} of {} are",
          model_,
          count,
          fmt::join(names, ", "));
    }
    std::ranges::stable_partition(settings_, is_uncached);
    settings_.front().policy = "none";
    if (settings_.size() < 2) {
      ThrowUserError("render", "model \"{}\" must have a setting beside the uncached one", model_);
    }
  }

  void CheckNames() {
    std::set<std::string> names;
    for (ForeignSetting& setting : settings_) {
      std::string name = setting.name;
      for (int i = 2; !names.insert(name).second; ++i) {
        name = fmt::format("{}-{}", setting.name, i);
      }
      setting.name = name;
    }
  }

  // The uncached videos say which prompts and seeds there are.
  void ListVideos() {
    std::map<std::string, const ForeignTime*> known;
    for (const ForeignTime& time : settings_.front().times) known[time.name] = &time;
    ReportContext& context = report_.context;
    for (const NamedVideo& video : FindVideos(settings_.front().videos)) {
      auto [prompt, seed] = SplitName(video.name);
      if (const auto found = known.find(video.name); found != known.end()) {
        if (!found->second->prompt.empty()) prompt = found->second->prompt;
        if (found->second->seed) seed = *found->second->seed;
      }
      auto at = std::ranges::find(context.test_prompts, prompt);
      if (at == context.test_prompts.end()) {
        context.test_prompts.push_back(prompt);
        at = std::prev(context.test_prompts.end());
      }
      if (std::ranges::find(context.seeds, seed) == context.seeds.end()) {
        context.seeds.push_back(seed);
      }
      ReportVideo& entry = videos_[video.name];
      entry.prompt = static_cast<int>(at - context.test_prompts.begin());
      entry.seed = seed;
      uncached_paths_[video.name] = video.path;
    }
    for (const auto& [name, entry] : videos_) names_.push_back(name);
  }

  std::vector<Results> Score() const {
    EvaluateOptions evaluate;
    evaluate.gt = settings_.front().videos;
    for (size_t i = 1; i < settings_.size(); ++i) evaluate.gens.push_back(settings_[i].videos);
    evaluate.score.metrics = options_.metrics;
    // Intervals are computed from the rows.
    evaluate.pooling.bootstrap_samples = 0;
    evaluate.jobs = options_.jobs;
    evaluate.progress = options_.progress;
    return EvaluateFolders(evaluate);
  }

  // VBench's dimensions of the videos that count.
  void ScoreAlone(const ForeignSetting& setting, ReportRow* row) const {
    if (options_.vbench.dimensions.empty()) return;
    VbenchOptions vbench = options_.vbench;
    vbench.videos = setting.videos;
    vbench.custom = true;
    vbench.pooling.bootstrap_samples = 0;
    vbench.jobs = options_.jobs;
    vbench.progress = options_.progress;
    std::map<std::string, VbenchVideoScore> scores;
    for (VbenchVideoScore& score : EvaluateVbench(vbench).videos) scores[score.name] = score;
    std::vector<VbenchVideoScore> failed;
    for (size_t i = 0; i < names_.size(); ++i) {
      const auto found = scores.find(names_[i]);
      if (found == scores.end() || !row->videos[i].error.empty()) continue;
      row->videos[i].scores.merge(VbenchScores(found->second));
      if (!found->second.ok()) failed.push_back(found->second);
    }
    for (const std::string& warning : VbenchWarnings(failed)) row->notes.push_back(warning + ".");
  }

  ReportRow StartRow(const ForeignSetting& setting) const {
    ReportRow row;
    row.id = setting.name;
    row.model = model_;
    row.policy = setting.policy;
    row.label = setting.label;
    row.fit = setting.fit;
    row.threshold = setting.threshold;
    row.computed_target = setting.computed_target;
    row.matches = setting.matches;
    row.calls = setting.calls;
    return row;
  }

  void SetFile(const std::string& path, const ForeignSetting& setting, ReportVideo* video) const {
    video->scored_path = RelativePath(path, options_.out);
    video->path = video->scored_path;
    const std::string extension = fs::path(path).extension().string();
    if (!fs::is_directory(path) && (extension == ".mp4" || extension == ".webm")) return;
    video->path = "preview/" + setting.name + "/" + Stem(path) + ".mp4";
    const std::string preview = (fs::path(options_.out) / video->path).string();
    if (fs::exists(preview)) return;
    MakeFolders(fs::path(preview).parent_path().string());
    Video content = ReadVideo(path);
    VideoWriterOptions writer;
    writer.crf = 18;
    if (content.fps > 0) writer.fps = content.fps;
    WriteVideo(preview, content, writer);
  }

  ReportRow UncachedRow(const std::vector<Results>& results) const {
    const ForeignSetting& setting = settings_.front();
    ReportRow row = StartRow(setting);
    std::set<std::string> codecs;
    for (const Results& result : results) {
      for (const VideoScore& score : result.videos) {
        if (score.ok()) codecs.insert(score.gt.codec);
      }
    }
    for (const auto& [name, entry] : videos_) {
      ReportVideo video = entry;
      const std::string& path = uncached_paths_.at(name);
      try {
        SetFile(path, setting, &video);
        row.bytes += BytesOf(path);
      } catch (const UserError& error) {
        video.error = error.what();
      }
      row.videos.push_back(std::move(video));
    }
    SetCodec(codecs, &row);
    SetTimes(setting, names_, &row);
    return row;
  }

  ReportRow CachedRow(const ForeignSetting& setting, const Results& result) const {
    ReportRow row = StartRow(setting);
    std::map<std::string, std::string> paths;
    for (const NamedVideo& video : FindVideos(setting.videos)) paths[video.name] = video.path;
    std::map<std::string, const VideoScore*> scores;
    for (const VideoScore& score : result.videos) scores[score.name] = &score;
    std::set<std::string> codecs;
    for (const std::string& name : names_) {
      ReportVideo video = videos_.at(name);
      const auto score = scores.find(name);
      if (score == scores.end()) {
        video.error = "missing";
      } else {
        SetScores(*score->second, &video);
        if (score->second->ok()) codecs.insert(score->second->gen.codec);
      }
      if (const auto path = paths.find(name); path != paths.end() && video.error.empty()) {
        SetFile(path->second, setting, &video);
        row.bytes += BytesOf(path->second);
      }
      row.videos.push_back(std::move(video));
    }
    if (!result.unmatched_gen.empty()) {
      row.notes.push_back(fmt::format("{} more videos have no uncached partner and are left out.",
                                      result.unmatched_gen.size()));
    }
    SetCodec(codecs, &row);
    SetTimes(setting, names_, &row);
    return row;
  }

  static void SetCodec(const std::set<std::string>& codecs, ReportRow* row) {
    if (codecs.size() == 1) row->codec = *codecs.begin();
    if (codecs.size() > 1) {
      row->notes.push_back(
          fmt::format("The videos are of several codecs: {}.", fmt::join(codecs, ", ")));
    }
  }

  static void SetTimes(const ForeignSetting& setting,
                       const std::vector<std::string>& names,
                       ReportRow* row) {
    std::map<std::string, ReportVideo*> by_name;
    for (size_t i = 0; i < names.size(); ++i) by_name[names[i]] = &row->videos[i];
    std::vector<double> counts;
    for (const ForeignTime& time : setting.times) {
      const auto found = by_name.find(time.name);
      if (found == by_name.end()) continue;
      ReportVideo& video = *found->second;
      if (time.seconds >= 0) video.total_runs.push_back(time.seconds);
      if (time.transformer_seconds >= 0) {
        video.transformer_runs.push_back(time.transformer_seconds);
      }
      if (time.decode_seconds >= 0) video.decode_seconds = time.decode_seconds;
      if (!time.computed.empty()) video.computed = time.computed;
      if (time.computed_calls > 0) counts.push_back(time.computed_calls);
      if (!time.shows.empty()) video.shows = time.shows;
    }
    for (ReportVideo& video : row->videos) {
      if (!video.total_runs.empty()) video.total_seconds = Median(video.total_runs);
      if (!video.transformer_runs.empty()) {
        video.transformer_seconds = Median(video.transformer_runs);
      }
      if (row->policy != "steps") {
        row->calls = std::max(row->calls, static_cast<int>(video.computed.size()));
      }
    }
    if (!counts.empty()) row->computed_mean = Mean(counts);
    if (counts.empty() && row->computed_target) row->computed_mean = *row->computed_target;
  }

  void DescribeModel(const std::vector<Results>& results) {
    ReportModel& model = report_.models.front();
    model.description = "videos made elsewhere";
    for (const ReportRow& row : report_.rows) model.calls = std::max(model.calls, row.calls);
    if (model.calls == 0) {  // told as counts only: an uncached run computes all of them
      for (const ReportRow& row : report_.rows) {
        if (row.policy == "none") model.calls = static_cast<int>(std::lround(row.computed_mean));
      }
    }
    for (ReportRow& row : report_.rows) {
      if (row.calls == 0) row.calls = model.calls;
      if (row.policy == "none" && row.computed_mean == 0) row.computed_mean = row.calls;
    }
    for (const VideoScore& score : results.front().videos) {
      if (!score.ok()) continue;
      model.width = score.gt.width;
      model.height = score.gt.height;
      model.frames = static_cast<int>(score.frames);
      model.fps = score.gt.fps;
      return;
    }
  }

  // Compression changes pixels too, in every video differently.
  void WarnOfLossyFiles(const std::vector<Results>& results) {
    std::set<std::string> codecs;
    for (const Results& result : results) {
      for (const VideoScore& score : result.videos) {
        if (!score.ok()) continue;
        if (score.gt.lossless != true) codecs.insert(score.gt.codec);
        if (score.gen.lossless != true) codecs.insert(score.gen.codec);
      }
    }
    if (codecs.empty()) return;
    report_.context.warnings.push_back(
        fmt::format("The videos are lossy files ({}): the scores also hold what the compression "
                    "changed, and videos of identical runs may differ. Lossless files (FFV1, or "
                    "folders of PNG) show the cache alone",
                    fmt::join(codecs, ", ")));
  }

  static double ComputedMean(const ReportRow& row) {
    double sum = 0;
    int n = 0;
    for (const ReportVideo& video : row.videos) {
      if (!video.error.empty() || video.computed.empty()) continue;
      sum += static_cast<double>(std::ranges::count(video.computed, true));
      ++n;
    }
    return n > 0 ? sum / n : row.computed_mean;
  }

  void MatchByCalls() {
    for (ReportRow& row : report_.rows) {
      if (row.policy == "none" || row.policy == "teacache" || !row.matches.empty()) continue;
      const double computed = ComputedMean(row);
      if (computed <= 0) continue;
      const ReportRow* nearest = nullptr;
      double distance = std::numeric_limits<double>::infinity();
      for (const ReportRow& other : report_.rows) {
        if (other.policy != "teacache") continue;
        const double off = std::abs(ComputedMean(other) - computed);
        if (off < distance && EqualCost(ComputedMean(other), computed)) {
          distance = off;
          nearest = &other;
        }
      }
      if (nearest) row.matches = nearest->id;
    }
  }

  std::string model_;
  std::vector<ForeignSetting> settings_;
  const RenderOptions& options_;
  std::map<std::string, ReportVideo> videos_;  // by name: prompt and seed
  std::map<std::string, std::string> uncached_paths_;
  std::vector<std::string> names_;  // of the videos, in the order of every row
  Report report_;
};

}  // namespace

Report ReportForeignModel(const std::string& model,
                          std::vector<ForeignSetting> settings,
                          const RenderOptions& options) {
  return ModelReport(model, std::move(settings), options).Make();
}

std::string RelativePath(const std::string& path, const std::string& out) {
  return fs::absolute(path)
      .lexically_normal()
      .lexically_relative(fs::absolute(out).lexically_normal())
      .generic_string();
}

}  // namespace teacache
