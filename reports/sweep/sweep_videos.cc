#include "reports/sweep/sweep_videos.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <tuple>
#include <utility>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/prompts.h"
#include "datasets/work/stale_files.h"
#include "reports/findings/scores.h"
#include "runners/generate_videos.h"
#include "runners/systems/pixel_key.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// Videos that are open at the same time: each has its decoder and two frames in memory.
constexpr size_t kScoredTogether = 8;

// What decides about the pixels of every setting.
struct SystemSettings {
  std::string codec;
  int crf = 0;
  PixelKey key;
};

// In the order of the names, as keys are digests of the text.
template <typename Archive>
void Visit(Archive& archive, SystemSettings& settings) {
  archive.Required("codec", settings.codec);
  archive.Required("crf", settings.crf);
  Visit(archive, settings.key);
}

// What went wrong, "" = nothing.
template <typename Function>
std::string Try(const Function& function) {
  try {
    function();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

void TakeScores(const ReportVideo& scores, ReportVideo* video) {
  video->identical = scores.identical;
  video->scores.insert(scores.scores.begin(), scores.scores.end());
}

}  // namespace

SweepVideos::SweepVideos(const System& system,
                         const SweepOptions& options,
                         const std::vector<std::string>& prompts,
                         const SweepCalibration& calibration,
                         SweepStore* store)
    : system_(system),
      options_(options),
      prompts_(prompts),
      store_(*store),
      methods_(system, calibration, options.teacache_mode) {
  score_.metrics = options.metrics;
  scores_definition_ = Sha256Hex(ScoresDefinition(score_)).substr(0, 12);
  vbench_definition_ = Sha256Hex(VbenchDefinition(options.vbench)).substr(0, 12);
}

std::string SweepVideos::Path(const std::string& relative) const {
  return (fs::path(options_.out) / relative).string();
}

// How many calls of each branch a baseline may compute.
int SweepVideos::CallsToMatch(const SweepSetting& setting, int prompt, int64_t seed) const {
  if (setting.matches.empty()) return 0;
  const ReportVideo& matched = At(setting.matches, prompt, seed).video;
  if (!matched.error.empty()) {
    ThrowUserError(setting.matches, "failed, so there is no number of calls to match");
  }
  const auto computed = static_cast<double>(std::ranges::count(matched.computed, true));
  const double branches = static_cast<double>(matched.computed.size()) / system_.info().calls;
  return static_cast<int>(std::lround(computed / std::max(branches, 1.0)));
}

SweepMethod SweepVideos::MethodOf(const SweepSetting& setting, int prompt, int64_t seed) {
  return methods_.Make(setting, CallsToMatch(setting, prompt, seed));
}

void SweepVideos::Finish(const SweepSetting& setting, int prompt, int64_t seed) {
  SweepItem& item = items_[{setting.id, prompt, seed}];
  item.video.prompt = prompt;
  item.video.seed = seed;
  const std::string stem = setting.id + "/" + VideoStem(prompts_[prompt], seed);
  item.video.scored_path = "videos/" + stem + (options_.lossy ? ".mp4" : ".mkv");
  item.video.path = options_.lossy ? item.video.scored_path : "preview/" + stem + ".mp4";
  const std::string error = Try([&] {
    const SweepMethod method = MethodOf(setting, prompt, seed);
    item.key = KeyOf(setting, method, prompt, seed);
    const StoredVideo* stored = store_.Claim(item.key, item.video);
    if (!stored) stored = &Make(method, prompt, seed, item);
    item.video.computed = stored->video.computed;
    item.video.shows = stored->video.shows;
    item.video.scene_iou = stored->video.scene_iou;
    item.codec = stored->codec;
    item.bytes = stored->bytes;
    ScoreAlone(prompt, &item);
  });
  if (!error.empty()) item.video.error = error;
}

std::string SweepVideos::KeyOf(const SweepSetting& setting,
                               const SweepMethod& method,
                               int prompt,
                               int64_t seed) const {
  const SystemSettings system = {options_.lossy ? "h264" : "ffv1",
                                 options_.crf,
                                 MakePixelKey(system_.info(), options_.threads)};
  const std::string spec =
      ToJson(std::tie(setting.id, system, method.spec, prompts_[prompt], seed), "sweep");
  return Sha256Hex(std::string_view(spec)).substr(0, 16);
}

const StoredVideo& SweepVideos::Make(const SweepMethod& method,
                                     int prompt,
                                     int64_t seed,
                                     const SweepItem& item) {
  const std::string& text = prompts_[prompt];
  const GeneratedVideo made =
      GenerateVideo(*method.system, *method.policy, text, seed, method.sampling);
  store_.AddTime(item.key, {made.transformer_seconds, made.decode_seconds});
  StoredVideo stored;
  stored.key = item.key;
  stored.video.path = item.video.path;
  stored.video.scored_path = item.video.scored_path;
  stored.video.computed = made.sample.Computed();
  if (const auto scene = system_.CheckScene(text, made.video)) {
    for (const auto& [axis, right] : scene->axes) stored.video.shows.push_back({axis, right});
    stored.video.scene_iou = scene->overlap;
  }
  stored.codec = options_.lossy ? "h264" : "ffv1";
  VideoWriterOptions writer;
  writer.fps = system_.info().fps;
  writer.crf = options_.crf;
  if (!options_.lossy) {
    Write(item.video.path, made.video, writer);
    writer.codec = VideoWriterOptions::Codec::kFfv1;
  }
  Write(item.video.scored_path, made.video, writer);
  stored.bytes = static_cast<int64_t>(fs::file_size(Path(item.video.scored_path)));
  return store_.Add(std::move(stored));
}

void SweepVideos::Write(const std::string& relative,
                        const Video& video,
                        const VideoWriterOptions& writer) {
  const std::string path = Path(relative);
  const std::string folder = fs::path(path).parent_path().string();
  MakeFolders(folder);
  RemoveStaleTemporaries(folder);
  WriteVideo(path, video, writer);
}

void SweepVideos::Score(const std::vector<SweepSetting>& settings, int prompt, int64_t seed) {
  const SweepItem& uncached = At("none", prompt, seed);
  std::vector<SweepItem*> missing;
  for (const SweepSetting& setting : settings) {
    if (setting.policy == "none") continue;
    SweepItem& item = At(setting.id, prompt, seed);
    if (!item.video.error.empty()) continue;
    if (!uncached.video.error.empty()) {
      item.video.error = "uncached: failed, so there is nothing to compare with";
    } else if (const auto scores = store_.Scores(item.key, uncached.key, scores_definition_)) {
      TakeScores(*scores, &item.video);
    } else {
      missing.push_back(&item);
    }
  }
  const std::span<SweepItem* const> all(missing);
  for (size_t i = 0; i < all.size(); i += kScoredTogether) {
    ScoreTogether(uncached, all.subspan(i, std::min(kScoredTogether, all.size() - i)));
  }
}

// Of the files as they lie there, so that everybody can score them again.
void SweepVideos::ScoreTogether(const SweepItem& uncached, std::span<SweepItem* const> items) {
  std::vector<std::unique_ptr<VideoReader>> readers;
  std::vector<VideoReader*> gens;
  std::vector<SweepItem*> opened;
  for (SweepItem* item : items) {
    item->video.error = Try([&] {
      readers.push_back(OpenVideo(Path(item->video.scored_path)));
      gens.push_back(readers.back().get());
      opened.push_back(item);
    });
  }
  const std::string error = Try([&] {
    const auto reference = OpenVideo(Path(uncached.video.scored_path));
    const std::vector<VideoScore> scores = ScoreStreams(*reference, gens, score_);
    for (size_t i = 0; i < scores.size(); ++i) {
      ReportVideo& video = opened[i]->video;
      ReportVideo made;
      SetScores(scores[i], &made);
      if (made.error.empty()) {
        store_.AddScores(opened[i]->key, uncached.key, scores_definition_, made);
        TakeScores(made, &video);
      } else {
        video.error = video.scored_path + ": " + made.error;
      }
    }
  });
  if (error.empty()) return;
  for (SweepItem* item : opened) item->video.error = error;
}

// VBench's dimensions, which look at one video only.
void SweepVideos::ScoreAlone(int prompt, SweepItem* item) {
  if (options_.vbench.dimensions.empty()) return;
  const std::map<std::string, double>* scores = store_.Extra(item->key, vbench_definition_);
  if (scores) {
    item->video.scores = *scores;
    return;
  }
  const std::string path = Path(item->video.scored_path);
  const VbenchVideoScore made = ScoreVbenchVideo(
      options_.vbench,
      {fs::path(path).stem().string(), path, prompts_[prompt], options_.vbench.dimensions, ""});
  item->video.scores = VbenchScores(made);
  if (made.ok()) {
    store_.AddExtra(item->key, vbench_definition_, item->video.scores);
  } else {
    vbench_failed_.push_back(made);
  }
}

std::vector<std::string> SweepVideos::Warnings() const { return VbenchWarnings(vbench_failed_); }

void SweepVideos::Time(const SweepSetting& setting, int prompt, int64_t seed, int round) {
  SweepItem& item = At(setting.id, prompt, seed);
  if (!item.video.error.empty() || std::ssize(store_.Times(item.key)) > round) return;
  const std::string error = Try([&] {
    const SweepMethod method = MethodOf(setting, prompt, seed);
    const GeneratedVideo made =
        GenerateVideo(*method.system, *method.policy, prompts_[prompt], seed, method.sampling);
    store_.AddTime(item.key, {made.transformer_seconds, made.decode_seconds});
  });
  if (!error.empty()) item.video.error = error;
}

}  // namespace teacache
