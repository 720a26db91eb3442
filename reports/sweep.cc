#include "reports/sweep.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "calib/replay.h"
#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/interrupt.h"
#include "datasets/prompts.h"
#include "metrics/pooling.h"
#include "metrics/score_video.h"
#include "reports/html_report.h"
#include "reports/join_reports.h"
#include "reports/run_context.h"
#include "reports/sweep_calibration.h"
#include "reports/sweep_prompts.h"
#include "reports/sweep_settings.h"
#include "reports/sweep_store.h"
#include "reports/sweep_summary.h"
#include "reports/trace_store.h"
#include "reports/video_scores.h"
#include "runners/generate_videos.h"
#include "runners/scoped_threads.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

SweepModel DescribeModel(const SystemInfo& info) {
  SweepModel model;
  model.name = info.name;
  model.description = info.description;
  model.weights_digest = info.weights_digest;
  model.parameters = info.parameters;
  model.dtype = info.dtype;
  model.scheduler = info.scheduler;
  model.steps = info.steps;
  model.calls = info.calls;
  model.guidance = info.guidance;
  model.width = info.width;
  model.height = info.height;
  model.frames = info.frames;
  model.fps = info.fps;
  return model;
}

// What decides about the pixels of every setting.
json SystemSettings(const SystemInfo& info, const SweepOptions& options) {
  json settings = {{"model", info.name},
                   {"weights_sha256", info.weights_digest},
                   {"scheduler", info.scheduler},
                   {"steps", info.steps},
                   {"guidance", info.guidance},
                   {"dtype", info.dtype},
                   {"device", info.device},
                   {"threads", options.threads},
                   {"size", {info.width, info.height, info.frames}},
                   {"codec", options.lossy ? "h264" : "ffv1"},
                   {"crf", options.crf}};
  return settings;
}

// One video of the sweep, as far as it is known.
struct Item {
  std::string key;  // "" = not made in this run of the program and not found
  SweepVideo video;
  std::string codec;
  int64_t bytes = 0;
};

class SweepRun {
 public:
  SweepRun(const System& system, const SweepOptions& options)
      : system_(system),
        options_(options),
        threads_(options.threads),
        prompts_(ChooseSweepPrompts(system, options)),
        traces_(system, Path("kept")),
        store_(options.out, Machine(system)),
        progress_(options.progress ? *options.progress : NoProgress()) {
    score_.lpips = options.lpips;
    scores_definition_ = Sha256Hex(ScoresDefinition(score_)).substr(0, 12);
  }

  SweepOutcome Run() {
    SweepOutcome outcome;
    SweepContext& context = outcome.report.context;
    context = DescribeRun(options_.argv, system_.info().device, options_.threads);
    context.warnings = store_.warnings();
    baselines_ = PossibleBaselines(&context.warnings);
    if (!Record() || !GenerateAll()) {
      store_.WriteTimes();
      outcome.interrupted = true;
      return outcome;
    }
    store_.PutTheRestAside();
    FillReport(&outcome.report);
    context.seconds = SecondsSince(start_);
    WriteReportFiles(options_.out, outcome.report, options_.embed_videos);
    outcome.page = Path("report.html");
    for (const SweepRow& row : outcome.report.rows) outcome.failed += row.failed;
    return outcome;
  }

 private:
  using Key = std::tuple<std::string, int, int64_t>;  // setting, prompt, seed

  static std::string Machine(const System& system) {
    const SweepContext here = DescribeRun({}, system.info().device, 1);
    return here.machine + ", " + here.cpu + ", " + here.device;
  }

  std::string Path(const std::string& name) const {
    return (fs::path(options_.out) / name).string();
  }

  // Baselines that this system can run.
  std::vector<std::string> PossibleBaselines(std::vector<std::string>* warnings) const {
    std::vector<std::string> baselines = options_.baselines;
    const auto steps = std::ranges::find(baselines, "steps");
    if (steps != baselines.end() && !system_.WithSteps(system_.info().steps)) {
      baselines.erase(steps);
      warnings->push_back(fmt::format(
          "Fewer steps were left out as a baseline: {} cannot change its steps once it is loaded",
          system_.info().name));
    }
    return baselines;
  }

  // Counts runs of the transformer over the whole sweep. With a limit of time the number of prompts
  // is not known at first.
  void Report(const std::string& item) {
    progress_.Report({"sweeping", "runs", done_, total_, item});
  }

  void CountWork() {
    const auto seeds = static_cast<int64_t>(options_.seeds.size());
    const int64_t tests = std::ssize(prompts_.test) * seeds;
    total_ = std::ssize(prompts_.fit) * seeds + tests;
    if (!settings_.empty())
      total_ += tests * std::ssize(settings_) * options_.timed_runs;
    else
      total_ += tests * ExpectedSettings() * options_.timed_runs;
  }

  int64_t ExpectedSettings() const {
    const auto thresholds = static_cast<int64_t>(
        options_.thresholds.empty() ? options_.auto_thresholds : options_.thresholds.size());
    return 1 + thresholds * std::ssize(options_.coeffs) * (1 + std::ssize(baselines_));
  }

  // The fit prompts' traces and what follows from them. False when interrupted.
  bool Record() {
    std::vector<std::string> all = prompts_.fit;
    all.insert(all.end(), prompts_.test.begin(), prompts_.test.end());
    system_.Prepare(all, &progress_);
    CountWork();
    Report("");
    for (const std::string& prompt : prompts_.fit) {
      for (const int64_t seed : options_.seeds) {
        if (Interrupted()) return false;
        traces_.Record(prompt, seed);
        ++done_;
        Report(prompt);
      }
    }
    WriteTrace(Path("trace.jsonl"), traces_.Select(prompts_.fit, options_.seeds));
    calibration_ =
        Calibrate(system_, options_, prompts_.fit, Path("trace.jsonl"), Path("coeffs.json"));
    if (calibration_.ratios.empty()) std::erase(baselines_, "magcache");
    std::vector<std::string> names;
    for (const SweepFit& set : calibration_.sets) names.push_back(set.name);
    settings_ = MakeSettings(names, calibration_.thresholds, baselines_);
    methods_.emplace(system_, calibration_);
    CountWork();
    return true;
  }

  // Prompt by prompt, so that every setting has the same ones whenever it ends. False when
  // interrupted.
  bool GenerateAll() {
    double longest = 0;  // seconds for one prompt
    for (size_t prompt = 0; prompt < prompts_.test.size(); ++prompt) {
      const double limit = options_.max_minutes * 60;
      if (prompt > 0 && limit > 0 && SecondsSince(start_) + longest > limit) break;
      const Clock::time_point begin = Clock::now();
      for (const int64_t seed : options_.seeds) {
        if (!GeneratePrompt(static_cast<int>(prompt), seed)) return false;
      }
      ++prompts_used_;
      longest = std::max(longest, SecondsSince(begin));
      if (limit > 0 && longest > 0) LowerTotal(limit, longest);
    }
    return true;
  }

  void LowerTotal(double limit, double seconds_per_prompt) {
    const double left = std::max(0.0, (limit - SecondsSince(start_)) / seconds_per_prompt);
    const auto prompts =
        std::min<int64_t>(std::ssize(prompts_.test), prompts_used_ + static_cast<int64_t>(left));
    const auto seeds = static_cast<int64_t>(options_.seeds.size());
    total_ = std::ssize(prompts_.fit) * seeds +
             prompts * seeds * (1 + std::ssize(settings_) * options_.timed_runs);
  }

  // All settings of one prompt and seed, several times round, so that drift of the machine hits all
  // alike. The recording of the signal comes first and warms up.
  bool GeneratePrompt(int prompt, int64_t seed) {
    if (Interrupted()) return false;
    Try([&] { traces_.Record(prompts_.test[prompt], seed); });
    ++done_;
    reference_.reset();
    for (int round = 0; round < options_.timed_runs; ++round) {
      for (const SweepSetting& setting : settings_) {
        if (Interrupted()) return false;
        if (round == 0) Finish(setting, prompt, seed);
        Time(setting, prompt, seed, round);
        ++done_;
        Report(setting.id);
      }
      store_.WriteTimes();
    }
    return true;
  }

  // What went wrong, "" = nothing.
  template <typename Function>
  static std::string Try(const Function& function) {
    try {
      function();
      return "";
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  // How many calls of each branch a baseline may compute.
  int CallsToMatch(const SweepSetting& setting, int prompt, int64_t seed) const {
    if (setting.matches.empty()) return 0;
    const Item& matched = items_.at({setting.matches, prompt, seed});
    if (!matched.video.error.empty()) {
      ThrowUserError(setting.matches, "failed, so there is no number of calls to match");
    }
    const auto computed = static_cast<double>(std::ranges::count(matched.video.computed, true));
    const double branches =
        static_cast<double>(matched.video.computed.size()) / system_.info().calls;
    return static_cast<int>(std::lround(computed / std::max(branches, 1.0)));
  }

  SweepMethod MethodOf(const SweepSetting& setting, int prompt, int64_t seed) {
    return methods_->Make(setting, CallsToMatch(setting, prompt, seed));
  }

  // Makes and scores one video unless that is done; a failure is kept in the item.
  void Finish(const SweepSetting& setting, int prompt, int64_t seed) {
    Item& item = items_[{setting.id, prompt, seed}];
    item.video.prompt = prompt;
    item.video.seed = seed;
    const std::string stem = setting.id + "/" + VideoStem(prompts_.test[prompt], seed);
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
      if (setting.policy != "none") Score(prompt, seed, &item.video, item.key);
    });
    if (!error.empty()) item.video.error = error;
  }

  std::string KeyOf(const SweepSetting& setting,
                    const SweepMethod& method,
                    int prompt,
                    int64_t seed) const {
    const json spec = {setting.id,
                       SystemSettings(system_.info(), options_),
                       method.spec,
                       prompts_.test[prompt],
                       seed};
    return Sha256Hex(std::string_view(spec.dump())).substr(0, 16);
  }

  const StoredVideo& Make(const SweepMethod& method, int prompt, int64_t seed, const Item& item) {
    const std::string& text = prompts_.test[prompt];
    const GeneratedVideo made = GenerateVideo(*method.system, *method.policy, text, seed);
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

  void Write(const std::string& relative, const Video& video, const VideoWriterOptions& writer) {
    const std::string path = Path(relative);
    MakeFolders(fs::path(path).parent_path().string());
    WriteVideo(path, video, writer);
  }

  // Of the files as they lie there, so that everybody can score them again.
  void Score(int prompt, int64_t seed, SweepVideo* video, const std::string& key) {
    const Item& uncached = items_.at({"none", prompt, seed});
    if (!uncached.video.error.empty()) {
      ThrowUserError("uncached", "failed, so there is nothing to compare with");
    }
    std::optional<SweepVideo> scores = store_.Scores(key, uncached.key, scores_definition_);
    if (!scores) {
      if (!reference_) reference_ = ReadVideo(Path(uncached.video.scored_path));
      scores.emplace();
      SetScores(ScoreVideos(*reference_, ReadVideo(Path(video->scored_path)), score_), &*scores);
      if (!scores->error.empty()) ThrowUserError(video->scored_path, "{}", scores->error);
      store_.AddScores(key, uncached.key, scores_definition_, *scores);
    }
    video->identical = scores->identical;
    video->psnr = scores->psnr;
    video->ssim = scores->ssim;
    video->lpips = scores->lpips;
    video->extra = scores->extra;
  }

  // One more timed run where there are not enough.
  void Time(const SweepSetting& setting, int prompt, int64_t seed, int round) {
    Item& item = items_.at({setting.id, prompt, seed});
    if (!item.video.error.empty()) return;
    if (std::ssize(store_.Times(item.key)) <= round) {
      const std::string error = Try([&] {
        const SweepMethod method = MethodOf(setting, prompt, seed);
        const GeneratedVideo made =
            GenerateVideo(*method.system, *method.policy, prompts_.test[prompt], seed);
        store_.AddTime(item.key, {made.transformer_seconds, made.decode_seconds});
      });
      if (!error.empty()) item.video.error = error;
    }
  }

  void FillReport(SweepReport* report) {
    SweepContext& context = report->context;
    prompts_.test.resize(prompts_used_);
    context.fit_prompts = prompts_.fit;
    context.test_prompts = prompts_.test;
    context.prompts_asked = prompts_.asked;
    context.seeds = options_.seeds;
    context.timed_runs = options_.timed_runs;
    context.psnr_floor = options_.psnr_floor;
    context.load_end = MachineLoad();
    context.scored = options_.lossy
                         ? fmt::format("the H.264 files in videos/ (crf {}), their losses included",
                                       options_.crf)
                         : "the lossless files in videos/ (FFV1); preview/ holds lossy copies for "
                           "the browser";
    if (!options_.lpips) {
      context.warnings.push_back(
          "LPIPS was left out: no weights were given (--lpips-weights FOLDER; build.sh weights "
          "fetches them)");
    }
    Append(calibration_.warnings, &context.warnings);
    report->models = {DescribeModel(system_.info())};
    report->fits = calibration_.sets;
    Replay(&context.warnings);
    for (const SweepSetting& setting : settings_) report->rows.push_back(MakeRow(setting));
    SummarizeSweep(report);
  }

  static void Append(const std::vector<std::string>& from, std::vector<std::string>* to) {
    to->insert(to->end(), from.begin(), from.end());
  }

  // The schedules that fit-coeffs makes of the test prompts' uncached runs, beside the live ones.
  void Replay(std::vector<std::string>* warnings) {
    const bool recorded = std::ranges::all_of(prompts_.test, [this](const std::string& prompt) {
      return std::ranges::all_of(options_.seeds,
                                 [&](int64_t seed) { return traces_.Has(prompt, seed); });
    });
    if (!recorded) {
      warnings->push_back("Schedules were not replayed: not all test prompts could be recorded");
      return;
    }
    const Trace trace = traces_.Select(prompts_.test, options_.seeds);
    WriteTrace(Path("test_trace.jsonl"), trace);
    const EngineRule& rule = FindEngineRule("teacache");
    const ReplayInput input = MakeReplayInput(trace, rule);
    for (const SweepSetting& setting : settings_) {
      if (setting.policy != "teacache") continue;
      const ReplayOptions options{
          rule, Polynomial(calibration_.sets[setting.set].coefficients), setting.threshold, {}};
      // Branch after branch of a run; live schedules have the branches of a call together.
      std::map<Key, std::vector<std::vector<bool>>> schedules;
      for (const SignalRun& run : input.runs) {
        const auto prompt = std::ranges::find(prompts_.test, input.prompts[run.prompt]);
        schedules[{setting.id, static_cast<int>(prompt - prompts_.test.begin()), run.seed}]
            .push_back(ReplayRun(run, options));
      }
      for (const auto& [key, branches] : schedules) {
        SweepVideo& video = items_.at(key).video;
        video.replayed.clear();
        for (int call = 0; call < input.calls; ++call) {
          for (const auto& branch : branches) video.replayed.push_back(branch[call]);
        }
      }
    }
  }

  SweepRow MakeRow(const SweepSetting& setting) const {
    SweepRow row;
    row.id = setting.id;
    row.model = system_.info().name;
    row.policy = setting.policy;
    row.calls = system_.info().calls;
    row.matches = setting.matches;
    row.codec = options_.lossy ? "h264" : "ffv1";
    if (setting.policy == "teacache") {
      row.fit = calibration_.sets[setting.set].name;
      row.threshold = setting.threshold;
    }
    double computed = 0;
    int good = 0;
    for (int prompt = 0; prompt < prompts_used_; ++prompt) {
      for (const int64_t seed : options_.seeds) {
        const Item& item = items_.at({setting.id, prompt, seed});
        row.videos.push_back(item.video);
        SetTimes(item, &row.videos.back());
        row.bytes += item.bytes;
        if (!item.video.error.empty()) continue;
        computed += static_cast<double>(std::ranges::count(item.video.computed, true));
        ++good;
        if (setting.policy != "steps") {
          row.calls = std::max(row.calls, static_cast<int>(item.video.computed.size()));
        }
      }
    }
    if (!setting.matches.empty() && good > 0) row.computed_target = computed / good;
    return row;
  }

  static double Median(std::vector<double> values) { return Percentile(std::move(values), 0.5); }

  void SetTimes(const Item& item, SweepVideo* video) const {
    const std::vector<TimedRun> runs = store_.Times(item.key);
    if (runs.empty()) return;
    std::vector<double> decode;
    for (const TimedRun& run : runs) {
      video->transformer_runs.push_back(run.transformer);
      video->total_runs.push_back(run.total());
      decode.push_back(run.decode);
    }
    video->transformer_seconds = Median(video->transformer_runs);
    video->decode_seconds = Median(decode);
    video->total_seconds = Median(video->total_runs);
  }

  const System& system_;
  const SweepOptions& options_;
  ScopedThreads threads_;
  Clock::time_point start_ = Clock::now();
  SweepPrompts prompts_;
  int prompts_used_ = 0;
  TraceStore traces_;
  SweepStore store_;
  ProgressSink& progress_;
  ScoreOptions score_;
  std::string scores_definition_;
  std::vector<std::string> baselines_;
  SweepCalibration calibration_;
  std::vector<SweepSetting> settings_;
  std::optional<SweepMethods> methods_;
  std::map<Key, Item> items_;
  std::optional<Video> reference_;  // uncached video of the prompt and seed in work
  int64_t done_ = 0;
  int64_t total_ = 0;
};

}  // namespace

SweepOutcome RunSweep(const SweepOptions& options) {
  options.Validate();
  const std::unique_ptr<System> system = LoadSystem(options.model, options.system);
  return RunSweep(*system, options);
}

SweepOutcome RunSweep(const System& system, const SweepOptions& options) {
  options.Validate();
  CheckCoefficientSets(system, options.coeffs);
  return SweepRun(system, options).Run();
}

SweepOutcome RunSweeps(const std::vector<std::string>& models, const SweepOptions& options) {
  CheckDistinct(models, "--model");
  SweepOutcome outcome;
  std::vector<FoundReport> reports;
  for (const std::string& model : models) {
    SweepOptions own = options;
    own.model = model;
    own.out = (fs::path(options.out) / model).string();
    own.max_minutes = options.max_minutes / static_cast<double>(models.size());
    SweepOutcome one = RunSweep(own);
    outcome.failed += one.failed;
    if (one.interrupted) {
      outcome.interrupted = true;
      return outcome;
    }
    reports.push_back({model, std::move(one.report)});
  }
  outcome.report = JoinReports(std::move(reports));
  outcome.report.context.argv = options.argv;
  WriteReportFiles(options.out, outcome.report, options.embed_videos);
  outcome.page = (fs::path(options.out) / "report.html").string();
  return outcome;
}

}  // namespace teacache
