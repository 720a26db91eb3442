#include "metrics/vbench/evaluate_vbench.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "datasets/base/error.h"
#include "datasets/base/version.h"
#include "datasets/work/parts.h"
#include "datasets/work/work_loop.h"
#include "metrics/vbench/results_fields.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnit = "videos";

std::map<std::string, std::string> Context(const VbenchOptions& options) {
  std::map<std::string, std::string> context;
  for (const auto& scorer : options.scorers) {
    for (const auto& [name, text] : scorer->Context()) context[name] = text;
  }
  std::string dimensions;
  for (const VbenchDimension* dimension : options.dimensions) {
    dimensions += (dimensions.empty() ? "" : ",") + std::string(dimension->name);
  }
  context["dimensions"] = dimensions;
  context["videos"] = options.videos;
  context["prompts"] = options.custom ? "custom" : options.full_info;
  context["samples"] = fmt::format("{}", options.samples);
  context["batch"] = fmt::format("{}", options.batch);
  context["ci95"] = IntervalText(options.pooling);
  context["tool_version"] = kVersion;
  if (options.shard.count > 1) {
    context["shard"] = fmt::format("{}/{}", options.shard.index, options.shard.count);
  }
  return context;
}

std::map<std::string, std::string> JournalSettings(const VbenchOptions& options) {
  std::map<std::string, std::string> settings = Context(options);
  settings.erase("ci95");  // other resamplings change no score
  settings["videos"] = fs::absolute(options.videos).lexically_normal().string();
  settings["recursive"] = fmt::format("{}", options.recursive);
  settings["decoder"] = fmt::format("{}", static_cast<int>(options.reader.decoder));
  return settings;
}

VbenchVideoScore EmptyScore(const SuiteVideo& video) {
  VbenchVideoScore score;
  score.name = video.name;
  score.prompt = video.prompt;
  score.auxiliary = video.auxiliary;
  score.info.path = video.path;
  for (const VbenchDimension* dimension : video.dimensions) {
    score.dimensions.emplace_back(dimension->name);
  }
  return score;
}

VbenchVideoScore FailedScore(const SuiteVideo& video, const std::string& error) {
  VbenchVideoScore score = EmptyScore(video);
  score.errors = {{"", error}};
  return score;
}

// The sessions of one video, fed from one decoding.
class VideoRun {
 public:
  VideoRun(const VbenchOptions& options, const SuiteVideo& video)
      : options_(options), video_(video), score_(EmptyScore(video)) {}

  VbenchVideoScore Run() {
    try {
      Start();
      while (DecodeOnce()) {
      }
    } catch (const UserError& error) {
      // Nothing of a damaged file counts.
      score_.scores.clear();
      score_.errors = {{"", error.what()}};
    }
    return std::move(score_);
  }

 private:
  struct Part {
    std::unique_ptr<VbenchSession> session;
    std::string dimensions;  // for its errors
    bool active = true;
  };

  void Start() {
    // A first look, for the frame rate and the declared number of frames.
    reader_ = OpenVideo(video_.path, options_.reader);
    score_.info = reader_->info();
    for (const auto& scorer : options_.scorers) {
      std::unique_ptr<VbenchSession> session =
          scorer->Start(video_, video_.dimensions, score_.info);
      if (session) parts_.push_back({std::move(session), NamesOf(*scorer)});
    }
  }

  // Of a scorer's dimensions those that this video is scored in.
  std::string NamesOf(const VbenchScorer& scorer) const {
    std::string names;
    for (const VbenchDimension* dimension : scorer.Dimensions()) {
      const auto& mine = video_.dimensions;
      if (std::find(mine.begin(), mine.end(), dimension) == mine.end()) continue;
      names += (names.empty() ? "" : ", ") + std::string(dimension->name);
    }
    return names;
  }

  void Fail(Part* part, const UserError& error) {
    part->active = false;
    score_.errors[part->dimensions] = error.what();
  }

  bool AnyNeedsFrames() const {
    return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) {
      return part.active && part.session->NeedsFrames();
    });
  }

  void Feed(std::span<const Frame> frames) {
    for (Part& part : parts_) {
      if (!part.active || !part.session->NeedsFrames()) continue;
      try {
        part.session->Add(frames);
      } catch (const UserError& error) {
        Fail(&part, error);
      }
    }
  }

  // Returns whether all frames are needed once more.
  bool DecodeOnce() {
    int64_t total = 0;
    if (AnyNeedsFrames()) {
      if (!reader_) reader_ = OpenVideo(video_.path, options_.reader);
      std::vector<Frame> batch;
      for (bool more = true; more;) {
        std::optional<Frame> frame = reader_->Next();
        more = frame.has_value();
        if (frame) batch.push_back(std::move(*frame));
        if (batch.empty() || (more && static_cast<int>(batch.size()) < options_.batch)) continue;
        CheckSizes(batch);
        Feed(batch);
        total += static_cast<int64_t>(batch.size());
        batch.clear();
      }
      if (total == 0) ThrowUserError(video_.path, "must have frames but has none");
      score_.info = reader_->info();
      score_.info.num_frames = total;
      reader_.reset();
    }
    score_.frames = std::max(score_.frames, total);
    bool again = false;
    for (Part& part : parts_) {
      if (!part.active) continue;
      try {
        part.active = part.session->Finish(total, &score_);
        again |= part.active;
      } catch (const UserError& error) {
        Fail(&part, error);
      }
    }
    return again;
  }

  void CheckSizes(const std::vector<Frame>& frames) const {
    for (const Frame& frame : frames) {
      if (frame.width != score_.info.width || frame.height != score_.info.height) {
        ThrowUserError(video_.path,
                       "all frames must be {}x{} but one is {}x{}",
                       score_.info.width,
                       score_.info.height,
                       frame.width,
                       frame.height);
      }
    }
  }

  const VbenchOptions& options_;
  const SuiteVideo& video_;
  std::unique_ptr<VideoReader> reader_;
  std::vector<Part> parts_;
  VbenchVideoScore score_;
};

SuitePairing Pair(const VbenchOptions& options, std::vector<std::string>* warnings) {
  const std::vector<NamedVideo> videos = FindVideos(options.videos, options.recursive);
  if (options.custom) {
    return PairCustom(videos,
                      options.dimensions,
                      options.prompt_file.empty() ? std::map<std::string, std::string>()
                                                  : ReadPromptFile(options.prompt_file));
  }
  const Suite suite = ReadSuite(options.full_info);
  *warnings = suite.warnings;
  SuitePairing pairing = PairSuite(suite, videos, options.dimensions, options.samples);
  if (pairing.videos.empty()) {
    ThrowUserError(
        options.videos,
        "must hold videos named \"prompt-number\" of {} for these dimensions but none of "
        "{} is (--custom scores own prompts)",
        options.full_info,
        videos.size());
  }
  return pairing;
}

// The same digits for the same key.
std::string Key(const SuiteVideo& video) {
  std::string key =
      video.path + "\n" + FileStamp(video.path) + "\n" + video.prompt + "\n" + video.auxiliary;
  for (const VbenchDimension* dimension : video.dimensions) {
    key += "\n" + std::string(dimension->name);
  }
  return key;
}

// Those of the shard, in order.
std::vector<VbenchVideoScore> ScoreAll(const std::vector<SuiteVideo>& videos,
                                       const VbenchOptions& options) {
  std::vector<std::optional<VbenchVideoScore>> scores(videos.size());
  std::vector<std::string> names;
  for (const SuiteVideo& video : videos) names.push_back(video.name);
  ResultJournal journal(options.journal, "vbench-score", JournalSettings(options));
  WorkOptions work;
  work.task = "scoring";
  work.unit = kUnit;
  work.jobs = options.jobs;
  work.shard = options.shard;
  work.progress = options.progress;
  work.in_order = false;
  const WorkSummary summary = RunWork(
      names,
      work,
      [&](size_t i) {
        scores[i] = journal.Find<VbenchVideoScore>(Key(videos[i]));
        return scores[i].has_value();
      },
      [&](size_t i) {
        VbenchVideoScore score = ScoreVbenchVideo(options, videos[i]);
        return [&, i, score = std::move(score)] {
          scores[i] = score;
          // An error may be mended before the next run.
          if (score.ok()) journal.Keep(Key(videos[i]), names[i], score);
        };
      });
  ThrowIfInterrupted(summary, kUnit, !options.journal.empty());
  for (const FailedItem& item : summary.failed) {
    scores[item.index] = FailedScore(videos[item.index], item.error);
  }
  std::vector<VbenchVideoScore> mine;
  for (std::optional<VbenchVideoScore>& score : scores) {
    if (score) mine.push_back(std::move(*score));
  }
  return mine;
}

}  // namespace

void VbenchOptions::Validate() const {
  if (videos.empty()) ThrowUserError("--videos", "a folder of videos must be given");
  if (full_info.empty() && !custom) {
    ThrowUserError("--full-info", "VBench_full_info.json must be given (or --custom)");
  }
  if (!full_info.empty() && custom) {
    ThrowUserError("--custom", "cannot go with --full-info, which says what the prompts are");
  }
  if (!prompt_file.empty() && !custom) {
    ThrowUserError("--prompt-file", "goes only with --custom");
  }
  for (const auto& [flag, path] : {std::pair{"--videos", &videos},
                                   {"--full-info", &full_info},
                                   {"--prompt-file", &prompt_file}}) {
    std::error_code error;
    if (!path->empty() && !fs::exists(*path, error)) {
      ThrowUserError(flag, "\"{}\" does not exist", *path);
    }
  }
  if (samples < 1 || samples > 1000) {
    ThrowUserError("--samples", "must be 1 to 1000 but is {}", samples);
  }
  if (batch < 1 || batch > 1024) ThrowUserError("--batch", "must be 1 to 1024 but is {}", batch);
  if (jobs < 0) ThrowUserError("--jobs", "must be 0 (one per processor) or more but is {}", jobs);
  if (pooling.bootstrap_samples < 0) {
    ThrowUserError("--bootstrap", "must be 0 or more but is {}", pooling.bootstrap_samples);
  }
}

VbenchVideoScore ScoreVbenchVideo(const VbenchOptions& options, const SuiteVideo& video) {
  return VideoRun(options, video).Run();
}

VbenchResults EvaluateVbench(const VbenchOptions& options) {
  options.Validate();
  NotePart(options.shard, options.progress);
  VbenchResults results;
  SuitePairing pairing = Pair(options, &results.warnings);
  results.videos = ScoreAll(pairing.videos, options);
  results.context = Context(options);
  results.missing = std::move(pairing.missing);
  results.extra = std::move(pairing.extra);
  std::vector<std::string> found;
  for (const NamedVideo& video : FindVideos(options.videos, options.recursive)) {
    found.push_back(video.path);
  }
  results.left_out = VideosLeftOut(options.videos, options.recursive, found);
  SummarizeVbench(options.pooling, &results);
  return results;
}

}  // namespace teacache
