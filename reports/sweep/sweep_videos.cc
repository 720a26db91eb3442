#include "reports/sweep/sweep_videos.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
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
  score_.lpips = options.lpips;
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
    if (setting.policy != "none") Score(At("none", prompt, seed), &item);
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

// Of the files as they lie there, so that everybody can score them again.
void SweepVideos::Score(const SweepItem& uncached, SweepItem* item) {
  if (!uncached.video.error.empty()) {
    ThrowUserError("uncached", "failed, so there is nothing to compare with");
  }
  ReportVideo& video = item->video;
  std::optional<ReportVideo> scores = store_.Scores(item->key, uncached.key, scores_definition_);
  if (!scores) {
    if (!reference_ || reference_key_ != uncached.key) {
      reference_ = ReadVideo(Path(uncached.video.scored_path));
      reference_key_ = uncached.key;
    }
    scores.emplace();
    SetScores(ScoreVideos(*reference_, ReadVideo(Path(video.scored_path)), score_), &*scores);
    if (!scores->error.empty()) ThrowUserError(video.scored_path, "{}", scores->error);
    store_.AddScores(item->key, uncached.key, scores_definition_, *scores);
  }
  video.identical = scores->identical;
  video.psnr = scores->psnr;
  video.ssim = scores->ssim;
  video.lpips = scores->lpips;
}

// VBench's dimensions, which look at one video only.
void SweepVideos::ScoreAlone(int prompt, SweepItem* item) {
  if (options_.vbench.dimensions.empty()) return;
  const std::vector<ReportScore>* scores = store_.Extra(item->key, vbench_definition_);
  if (scores) {
    item->video.extra = *scores;
    return;
  }
  const std::string path = Path(item->video.scored_path);
  const VbenchVideoScore made = ScoreVbenchVideo(
      options_.vbench,
      {fs::path(path).stem().string(), path, prompts_[prompt], options_.vbench.dimensions, ""});
  item->video.extra = VbenchScores(made);
  if (made.ok()) {
    store_.AddExtra(item->key, vbench_definition_, item->video.extra);
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
