#include "runners/generate_videos.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "datasets/base/json_fields.h"
#include "datasets/base/version.h"
#include "datasets/prompts.h"
#include "datasets/trace/trace.h"
#include "datasets/trace/trace_writer.h"
#include "datasets/work/parts.h"
#include "datasets/work/stale_files.h"
#include "runners/nn/out_of_memory.h"
#include "runners/record_diffs.h"
#include "runners/sampling/policy_record.h"
#include "runners/systems/pixel_key.h"
#include "runners/systems/system_list.h"
#include "runners/use_coefficients.h"

namespace teacache {

template <typename Archive>
void Visit(Archive& archive, VideoTiming& timing) {
  archive.Required("prompt", timing.prompt);
  archive.Required("seed", timing.seed);
  archive.Required("file", timing.file);
  archive.Optional("sha256", timing.sha256);
  archive.Required("calls", CallsText{timing.computed});
  archive.Optional("outside_range", timing.outside_range);
  archive.Required("scene", timing.scene);
  archive.Required("transformer_seconds", timing.transformer_seconds);
  archive.Required("decode_seconds", timing.decode_seconds);
  archive.Required("total_seconds", timing.total_seconds);
}

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string CodecName(VideoWriterOptions::Codec codec) {
  switch (codec) {
    case VideoWriterOptions::Codec::kH264:
      return "h264";
    case VideoWriterOptions::Codec::kFfv1:
      return "ffv1";
    case VideoWriterOptions::Codec::kPng:
      return "png";
  }
  return "";
}

std::string Extension(VideoWriterOptions::Codec codec) {
  switch (codec) {
    case VideoWriterOptions::Codec::kH264:
      return ".mp4";
    case VideoWriterOptions::Codec::kFfv1:
      return ".mkv";
    case VideoWriterOptions::Codec::kPng:
      return "";
  }
  return "";
}

// Runs with other settings may not share a folder.
struct Settings {
  PixelKey key;
  PolicyRecord policy;
  int forecast = 0;
  std::string codec;
  int crf = 0;
  bool record = false;
};

template <typename Archive>
void Visit(Archive& archive, Settings& settings) {
  Visit(archive, settings.key);
  archive.Required("policy", settings.policy);
  archive.Optional("forecast", settings.forecast);  // absent in folders that know no forecasts
  archive.Required("codec", settings.codec);
  archive.Required("crf", settings.crf);
  archive.Required("record", settings.record);
}

Settings SettingsOf(const SystemInfo& info, const GenerateOptions& options) {
  return {MakePixelKey(info, options.threads),
          RecordOf(options.policy),
          options.forecast,
          CodecName(options.video.codec),
          options.video.crf,
          options.record};
}

// run.json: everything that is needed to repeat the run.
struct RunFile {
  Settings settings;
  std::vector<std::string> argv;
  std::vector<std::string> prompts;
  std::vector<int64_t> seeds;
  double fps = 0;
};

template <typename Archive>
void Visit(Archive& archive, RunFile& run) {
  archive.Format("teacache-run", 1);
  std::string tool_version = kVersion;
  archive("tool_version", tool_version);
  archive("argv", run.argv);
  archive.Required("prompts", run.prompts);
  archive.Required("seeds", run.seeds);
  archive("fps", run.fps);
  Visit(archive, run.settings);
}

// Of a file, or of the pictures of a folder and their names.
std::string Sha256HexOfVideo(const std::string& path) {
  if (!fs::is_directory(path)) return Sha256HexOfFile(path);
  std::string pictures;
  for (const std::string& name : ListFolder(path)) {
    pictures += name + ' ' + Sha256HexOfFile((fs::path(path) / name).string()) + '\n';
  }
  return Sha256Hex(std::string_view(pictures));
}

// Shards share a folder.
std::string ShardFile(const std::string& folder, const std::string& name, const Shard& shard) {
  return PartPath((fs::path(folder) / name).string(), shard);
}

struct MadeVideo {
  VideoTiming timing;
  std::vector<TraceRow> rows;
};

class RunFolder {
 public:
  RunFolder(const System& system, const GenerateOptions& options)
      : system_(system),
        options_(options),
        policy_(MakePolicy(options.policy, system.info().calls)),
        timing_path_(ShardFile(options.out, "timing.jsonl", options.shard)) {
    options.Check(system);
    CheckForecast(options.forecast, *policy_, system.info().calls);
    const std::string videos = (fs::path(options.out) / "videos").string();
    MakeFolders(videos);
    for (const std::string& folder : {options.out, videos}) RemoveStaleTemporaries(folder);
    const std::string trace = ShardFile(options.out, "trace.jsonl", options.shard);
    if (!fs::exists(timing_path_)) CheckNewFolder(trace);
    journal_.emplace(
        timing_path_, "generate-videos", ToJson(SettingsOf(system.info(), options), timing_path_));
    WriteRunFile();  // only now: the journal refuses other settings than the folder's
    if (options.record) {
      trace_.emplace(trace, MakeTraceHeader(system.info(), options.prompts, options.shard));
      recorded_ = RecordedRuns(*trace_);
    }
  }

  GenerateSummary Fill() {
    ReadJournal();
    GenerateSummary summary;
    static_cast<WorkSummary&>(summary) = RunPromptWork(
        system_,
        options_,
        "generating",
        "videos",
        [&](const PromptItem& item) { return IsFinished(item); },
        [&](const PromptItem& item, const std::function<void(int)>& on_call) {
          return [this, made = Make(item, on_call)] { Keep(made); };
        });
    Collect(&summary);
    return summary;
  }

 private:
  using Key = std::pair<std::string, int64_t>;

  // Nothing, or nothing that could be lost.
  static bool IsMissing(const std::string& path) {
    std::error_code error;
    return fs::is_empty(path, error) || error;
  }

  // Without timing.jsonl, what would be replaced was not made by this command. run.json may be
  // that of another part.
  void CheckNewFolder(const std::string& trace) const {
    std::vector<std::string> outputs;
    if (!IsRunFileOurs()) outputs.push_back(RunPath());
    if (options_.record) outputs.push_back(trace);
    int64_t index = 0;
    for (const std::string& prompt : options_.prompts) {
      for (const int64_t seed : options_.seeds) {
        if (options_.shard.Contains(index++)) outputs.push_back(PathOf(FileOf(prompt, seed)));
      }
    }
    for (const std::string& path : outputs) {
      if (IsMissing(path)) continue;
      if (!is_folder()) CheckOutputFile(path, path);
      ThrowUserError(options_.out,
                     "must be new or a run folder of the same settings but \"{}\" exists and is "
                     "not known to be made by this command; --overwrite replaces it",
                     path);
    }
  }

  std::string RunPath() const { return (fs::path(options_.out) / "run.json").string(); }

  bool IsRunFileOurs() const {
    const std::string path = RunPath();
    if (IsMissing(path)) return true;
    try {
      const ParsedJson json(ReadFile(path), path);
      return ToJson(FromJson<RunFile>(json.root()).settings, path) ==
             ToJson(SettingsOf(system_.info(), options_), path);
    } catch (const UserError&) {
      return false;
    }
  }

  void Keep(const MadeVideo& item) {
    // The trace goes first: a run in the journal has its rows. A run that was stopped between the
    // two has them already.
    const Key key(item.timing.prompt, item.timing.seed);
    if (trace_ && !recorded_.contains(key)) {
      trace_->Append(item.rows);
      recorded_.insert(key);
    }
    journal_->Append(ToJson(item.timing, timing_path_));
    done_[key] = item.timing;
  }

  std::string FileOf(const std::string& prompt, int64_t seed) const {
    return "videos/" + VideoStem(prompt, seed) + Extension(options_.video.codec);
  }

  std::string PathOf(const std::string& file) const {
    return (fs::path(options_.out) / file).string();
  }

  void ReadJournal() {
    journal_->contents().ForEachEntry([this](const JsonNode& entry) {
      auto timing = FromJson<VideoTiming>(entry);
      const Key key(timing.prompt, timing.seed);
      done_[key] = std::move(timing);  // the last one counts
    });
    std::erase_if(done_, [&](const auto& done) { return !IsWhole(done.second); });
  }

  // Whether the files are as the journal says.
  bool IsWhole(const VideoTiming& timing) const {
    if (trace_ && !recorded_.contains({timing.prompt, timing.seed})) return false;
    const std::string path = PathOf(timing.file);
    std::error_code error;
    if (!(is_folder() ? fs::is_directory(path, error) : fs::is_regular_file(path, error))) {
      return false;
    }
    return timing.sha256.empty() || timing.sha256 == Sha256HexOfVideo(path);
  }

  bool IsFinished(const PromptItem& item) const {
    if (done_.contains({item.prompt, item.seed})) return true;
    const std::string path = PathOf(FileOf(item.prompt, item.seed));
    if (!is_folder()) CheckOutputFile(path, path);
    return false;
  }

  MadeVideo Make(const PromptItem& item, const std::function<void(int)>& on_call) const {
    const Clock::time_point start = Clock::now();
    SampleOptions sample_options;
    sample_options.record = options_.record;
    sample_options.forecast = options_.forecast;
    sample_options.on_call = on_call;
    if (const auto* teacache = std::get_if<TeaCache>(&options_.policy)) {
      sample_options.teacache_mode = teacache->mode;
    }
    const GeneratedVideo made =
        GenerateVideo(system_, *policy_, item.prompt, item.seed, sample_options);
    MadeVideo finished;
    VideoTiming& timing = finished.timing;
    timing.prompt = item.prompt;
    timing.seed = item.seed;
    timing.file = FileOf(item.prompt, item.seed);
    timing.computed = made.sample.Computed();
    timing.outside_range = CountOutside(made.sample.calls, options_.fitted_range).outside;
    timing.transformer_seconds = made.transformer_seconds;
    timing.decode_seconds = made.decode_seconds;
    VideoWriterOptions video = options_.video;
    video.fps = system_.info().fps;
    WriteVideo(PathOf(timing.file), made.video, video);
    timing.sha256 = Sha256HexOfVideo(PathOf(timing.file));
    timing.total_seconds = SecondsSince(start);
    if (const auto scene = system_.CheckScene(item.prompt, made.video)) timing.scene = scene->axes;
    if (options_.record) {
      finished.rows = TraceRows(made.sample, made.branches, item.prompt, item.seed);
    }
    return finished;
  }

  void Collect(GenerateSummary* summary) const {
    for (const std::string& prompt : options_.prompts) {
      for (const int64_t seed : options_.seeds) {
        const auto it = done_.find({prompt, seed});
        if (it == done_.end()) continue;
        summary->videos.push_back(it->second);
        const std::string stem = VideoStem(prompt, seed);
        if (stem != fmt::format("{}-{}", prompt, seed)) {
          summary->shortened.push_back(it->second.file + " <- " + prompt);
        }
      }
    }
  }

  void WriteRunFile() const {
    const RunFile run = {SettingsOf(system_.info(), options_),
                         options_.argv,
                         options_.prompts,
                         options_.seeds,
                         system_.info().fps};
    AtomicWriteFile(RunPath(), ToJson(run, RunPath(), /*indent=*/2) + "\n");
  }

  // Whether a video is a folder of pictures.
  bool is_folder() const { return options_.video.codec == VideoWriterOptions::Codec::kPng; }

  const System& system_;
  const GenerateOptions& options_;
  std::unique_ptr<CachePolicy> policy_;
  std::string timing_path_;
  std::optional<Journal> journal_;
  std::optional<TraceWriter> trace_;
  std::set<Key> recorded_;
  std::map<Key, VideoTiming> done_;
};

}  // namespace

GeneratedVideo GenerateVideo(const System& system,
                             const CachePolicy& policy,
                             const std::string& prompt,
                             int64_t seed,
                             const SampleOptions& options) {
  GeneratedVideo made;
  const Clock::time_point start = Clock::now();
  auto run = system.Begin(prompt);
  const auto scheduler = system.MakeScheduler();
  made.branches = run->branches();
  made.sample = NamingPart("transformer", [&] {
    return Sample(run.get(), scheduler.get(), policy, system.Noise(seed), options);
  });
  run.reset();  // makes room for the decoder
  made.transformer_seconds = SecondsSince(start);
  const Clock::time_point decode_start = Clock::now();
  made.video = system.Decode(made.sample.latent);
  made.decode_seconds = SecondsSince(decode_start);
  return made;
}

GenerateSummary GenerateVideos(const GenerateOptions& options) {
  const std::unique_ptr<System> system = LoadSystem(options.model, options.system);
  return GenerateVideos(*system, options);
}

GenerateSummary GenerateVideos(const System& system, const GenerateOptions& options) {
  return RunFolder(system, options).Fill();
}

}  // namespace teacache
