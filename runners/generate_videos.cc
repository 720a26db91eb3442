#include "runners/generate_videos.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "datasets/base/version.h"
#include "datasets/prompts.h"
#include "datasets/trace/trace.h"
#include "datasets/trace/trace_writer.h"
#include "datasets/work/parts.h"
#include "datasets/work/stale_files.h"
#include "runners/nn/out_of_memory.h"
#include "runners/record_diffs.h"
#include "runners/systems/pixel_key.h"
#include "runners/systems/system_list.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string MaskText(const std::vector<bool>& computed) {
  std::string text;
  for (const bool c : computed) text += c ? 'C' : 'S';
  return text;
}

json PolicyJson(const PolicyOptions& policy) {
  json j = {{"cache", policy.name}};
  if (policy.name == "teacache") {
    j["threshold"] = policy.threshold;
    j["coefficients"] = policy.polynomial.coefficients();
    j["teacache_mode"] = NameOf(kTeaCacheModes, policy.teacache_mode);
    // Absent in run folders that know no engines.
    if (policy.engine != "teacache") j["engine"] = policy.engine;
    if (FindEngineRule(policy.engine).guards_range && policy.range.width() > 0) {
      j["range"] = {policy.range.lo, policy.range.hi};
    }
  }
  if (policy.name == "uniform") j["computed_calls"] = policy.computed_calls;
  if (policy.name == "mask") j["mask"] = policy.mask;
  if (policy.name == "magcache") {
    j["threshold"] = policy.threshold;
    j["max_skips"] = policy.magcache.max_skips;
    j["retention"] = policy.magcache.retention;
    j["ratios"] = policy.magcache.ratios;
  }
  return j;
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
json Settings(const SystemInfo& info, const GenerateOptions& options) {
  json settings = ToJson(MakePixelKey(info, options.threads));
  settings["policy"] = PolicyJson(options.policy);
  settings["codec"] = CodecName(options.video.codec);
  settings["crf"] = options.video.crf;
  settings["record"] = options.record;
  return settings;
}

json ToJson(const VideoTiming& timing) {
  json scene = json::array();
  for (const auto& [axis, right] : timing.scene) scene.push_back({axis, right});
  return {{"scene", scene},
          {"prompt", timing.prompt},
          {"seed", timing.seed},
          {"file", timing.file},
          {"sha256", timing.sha256},
          {"calls", MaskText(timing.computed)},
          {"transformer_seconds", timing.transformer_seconds},
          {"decode_seconds", timing.decode_seconds},
          {"total_seconds", timing.total_seconds}};
}

VideoTiming TimingFromJson(const json& j, const std::string& path) {
  try {
    VideoTiming timing;
    j.at("prompt").get_to(timing.prompt);
    j.at("seed").get_to(timing.seed);
    j.at("file").get_to(timing.file);
    timing.sha256 = j.value("sha256", "");
    timing.computed = ParseMask(j.at("calls").get<std::string>());
    j.at("transformer_seconds").get_to(timing.transformer_seconds);
    j.at("decode_seconds").get_to(timing.decode_seconds);
    j.at("total_seconds").get_to(timing.total_seconds);
    for (const json& axis : j.at("scene")) timing.scene.emplace_back(axis.at(0), axis.at(1));
    return timing;
  } catch (const json::exception& error) {
    ThrowUserError(path, "an entry is not a video's timing: {}", error.what());
  }
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
        policy_(options.policy.Make(system.info().calls)),
        timing_path_(ShardFile(options.out, "timing.jsonl", options.shard)) {
    options.Check(system);
    const std::string videos = (fs::path(options.out) / "videos").string();
    MakeFolders(videos);
    for (const std::string& folder : {options.out, videos}) RemoveStaleTemporaries(folder);
    journal_.emplace(timing_path_, "generate-videos", Settings(system.info(), options));
    WriteRunFile();  // only now: the journal refuses other settings than the folder's
    if (options.record) {
      const std::string path = ShardFile(options.out, "trace.jsonl", options.shard);
      trace_.emplace(path, MakeTraceHeader(system.info(), options.prompts, options.shard));
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

  void Keep(const MadeVideo& item) {
    // The trace goes first: a run in the journal has its rows. A run that was stopped between the
    // two has them already.
    const Key key(item.timing.prompt, item.timing.seed);
    if (trace_ && !recorded_.contains(key)) {
      trace_->Append(item.rows);
      recorded_.insert(key);
    }
    journal_->Append(ToJson(item.timing));
    done_[key] = item.timing;
  }

  std::string FileOf(const std::string& prompt, int64_t seed) const {
    return "videos/" + VideoStem(prompt, seed) + Extension(options_.video.codec);
  }

  std::string PathOf(const std::string& file) const {
    return (fs::path(options_.out) / file).string();
  }

  void ReadJournal() {
    for (const json& entry : journal_->entries()) {
      VideoTiming timing = TimingFromJson(entry, timing_path_);
      const Key key(timing.prompt, timing.seed);
      done_[key] = std::move(timing);  // the last one counts
    }
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
    sample_options.on_call = on_call;
    sample_options.teacache_mode = options_.policy.teacache_mode;
    const GeneratedVideo made =
        GenerateVideo(system_, *policy_, item.prompt, item.seed, sample_options);
    MadeVideo finished;
    VideoTiming& timing = finished.timing;
    timing.prompt = item.prompt;
    timing.seed = item.seed;
    timing.file = FileOf(item.prompt, item.seed);
    timing.computed = made.sample.Computed();
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
    json run = Settings(system_.info(), options_);
    run["format"] = "teacache-run";
    run["version"] = 1;
    run["tool_version"] = kVersion;
    run["argv"] = options_.argv;
    run["prompts"] = options_.prompts;
    run["seeds"] = options_.seeds;
    run["fps"] = system_.info().fps;
    AtomicWriteFile((fs::path(options_.out) / "run.json").string(), run.dump(2) + "\n");
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
