#include "reports/sweep.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "calib/fit_coeffs.h"
#include "calib/statistics.h"
#include "datasets/coefficients.h"
#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/interrupt.h"
#include "datasets/journal.h"
#include "datasets/prompts.h"
#include "metrics/score_video.h"
#include "reports/html_report.h"
#include "reports/run_context.h"
#include "reports/sweep_summary.h"
#include "runners/generate_videos.h"
#include "runners/record_diffs.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kUncached = "none";

// A column of the sweep. Uniform skipping takes its computed calls, video by video, from the
// TeaCache setting that it matches.
struct Setting {
  std::string id;
  std::string policy;
  double threshold = 0;
  std::string matches;
};

std::vector<Setting> MakeSettings(const SweepOptions& options) {
  std::vector<Setting> settings = {{kUncached, "none", 0, ""}};
  for (const double threshold : options.thresholds) {
    settings.push_back({fmt::format("teacache-{}", threshold), "teacache", threshold, ""});
  }
  for (const double threshold : options.thresholds) {
    settings.push_back({fmt::format("uniform-as-{}", threshold),
                        "uniform",
                        threshold,
                        fmt::format("teacache-{}", threshold)});
  }
  return settings;
}

std::string MaskText(const std::vector<bool>& computed) {
  std::string text;
  for (const bool c : computed) text += c ? 'C' : 'S';
  return text;
}

json OptionalNumber(const std::optional<double>& value) {
  return value ? json(*value) : json(nullptr);
}
std::optional<double> NumberOrNone(const json& j) {
  return j.is_null() ? std::nullopt : std::optional<double>(j.get<double>());
}

// What the journal keeps of one finished video.
struct Finished {
  SweepVideo video;
  std::optional<SceneCheck> scene;
  int64_t bytes = 0;
};

json ToJson(const std::string& setting, const Finished& finished) {
  const SweepVideo& v = finished.video;
  json scene = nullptr;
  if (finished.scene) {
    scene = {{"overlap", finished.scene->overlap}, {"axes", json::array()}};
    for (const auto& [axis, right] : finished.scene->axes) scene["axes"].push_back({axis, right});
  }
  return {{"setting", setting},
          {"prompt", v.prompt},
          {"seed", v.seed},
          {"path", v.path},
          {"calls", MaskText(v.computed)},
          {"identical", v.identical},
          {"psnr", OptionalNumber(v.psnr)},
          {"ssim", OptionalNumber(v.ssim)},
          {"lpips", OptionalNumber(v.lpips)},
          {"transformer_seconds", v.transformer_seconds},
          {"decode_seconds", v.decode_seconds},
          {"total_seconds", v.total_seconds},
          {"bytes", finished.bytes},
          {"scene", scene}};
}

Finished FinishedFromJson(const json& j, const std::string& where) {
  try {
    Finished finished;
    SweepVideo& v = finished.video;
    j.at("prompt").get_to(v.prompt);
    j.at("seed").get_to(v.seed);
    j.at("path").get_to(v.path);
    v.computed = ParseMask(j.at("calls").get<std::string>());
    j.at("identical").get_to(v.identical);
    v.psnr = NumberOrNone(j.at("psnr"));
    v.ssim = NumberOrNone(j.at("ssim"));
    v.lpips = NumberOrNone(j.at("lpips"));
    j.at("transformer_seconds").get_to(v.transformer_seconds);
    j.at("decode_seconds").get_to(v.decode_seconds);
    j.at("total_seconds").get_to(v.total_seconds);
    j.at("bytes").get_to(finished.bytes);
    if (const json& scene = j.at("scene"); !scene.is_null()) {
      finished.scene.emplace();
      scene.at("overlap").get_to(finished.scene->overlap);
      for (const json& axis : scene.at("axes")) {
        finished.scene->axes.emplace_back(axis.at(0), axis.at(1));
      }
    }
    return finished;
  } catch (const json::exception& error) {
    ThrowUserError(where, "an entry is not a finished video: {}", error.what());
  }
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

class SweepRun {
 public:
  SweepRun(const System& system, const SweepOptions& options)
      : system_(system), options_(options), settings_(MakeSettings(options)) {
    ChoosePrompts();
    MakeFolders(options.out);
    progress_ = options.progress ? options.progress : &NoProgress();
  }

  SweepOutcome Run() {
    const auto start = std::chrono::steady_clock::now();
    SweepOutcome outcome;
    SweepReport& report = outcome.report;
    report.context = DescribeRun(options_.argv, system_.info().device, /*threads=*/1);
    report.context.fit_prompts = fit_prompts_;
    report.context.test_prompts = test_prompts_;
    report.context.seeds = options_.seeds;
    if (!options_.lpips) {
      report.context.warnings.push_back("LPIPS was left out: no weights were given");
    }
    report.models = {DescribeModel(system_.info())};
    const std::optional<SweepFit> fit = Fit(&report.context.warnings);
    if (!fit || !GenerateAll(*fit)) {
      outcome.interrupted = true;
      return outcome;
    }
    report.fits = {*fit};
    for (const Setting& setting : settings_) report.rows.push_back(MakeRow(setting, *fit));
    SummarizeSweep(&report);
    report.context.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    WriteReportFiles(options_.out, report);
    outcome.page = Path("report.html");
    return outcome;
  }

 private:
  using Key = std::tuple<std::string, int, int64_t>;  // setting, prompt, seed

  std::string Path(const std::string& name) const {
    return (fs::path(options_.out) / name).string();
  }

  void ChoosePrompts() {
    const std::vector<std::string> demo =
        system_.DemoPrompts(options_.demo_fit_prompts + options_.demo_test_prompts);
    const auto choose =
        [&](const std::vector<std::string>& given, const char* flag, auto begin, auto end) {
          if (given.empty() && demo.empty()) {
            ThrowUserError(
                flag, "must be given: {} has no prompts of its own", system_.info().name);
          }
          return given.empty() ? std::vector<std::string>(begin, end) : given;
        };
    const auto split =
        demo.begin() + std::min<std::ptrdiff_t>(options_.demo_fit_prompts, std::ssize(demo));
    fit_prompts_ = options_.coeffs.empty()
                       ? choose(options_.fit_prompts, "--fit-prompts", demo.begin(), split)
                       : options_.fit_prompts;
    test_prompts_ = choose(options_.test_prompts, "--prompts", split, demo.end());
    CheckDistinct(fit_prompts_, "fit prompts");
    CheckDistinct(test_prompts_, "test prompts");
    for (const std::string& prompt : test_prompts_) {
      system_.CheckPrompt(prompt);
      if (std::find(fit_prompts_.begin(), fit_prompts_.end(), prompt) != fit_prompts_.end()) {
        ThrowUserError("--prompts",
                       "must have nothing in common with the fit prompts but both hold \"{}\"",
                       prompt);
      }
    }
  }

  // The fitted polynomial with the pairs behind it; nothing when interrupted.
  std::optional<SweepFit> Fit(std::vector<std::string>* warnings) const {
    SweepFit fit;
    fit.model = system_.info().name;
    if (!options_.coeffs.empty()) {
      const Coefficients given = ReadCoefficients(options_.coeffs);
      fit.name = "given";
      fit.coefficients = given.set.coefficients;
      fit.x_range = {given.set.x_min, given.set.x_max};
      return fit;
    }
    RecordOptions record;
    record.prompts = fit_prompts_;
    record.seeds = options_.seeds;
    record.out = Path("trace.jsonl");
    record.progress = progress_;
    const RecordSummary recorded = RecordDiffs(system_, record);
    if (recorded.interrupted) return std::nullopt;
    if (!recorded.failed.empty()) {
      const FailedItem& failed = recorded.failed.front();
      ThrowUserError(failed.prompt, "cannot be recorded: {}", failed.error);
    }
    FitCoeffsOptions fit_options;
    fit_options.input.files = {record.out};
    fit_options.out = Path("coeffs.json");
    fit_options.fit.degree = options_.degree;
    fit_options.allow_worse_degree = true;
    const FitCoeffsResult result = RunFitCoeffs(fit_options);
    warnings->insert(warnings->end(), result.warnings.begin(), result.warnings.end());
    const FittedExpert& fitted = result.experts.front();
    fit.coefficients = fitted.fit.polynomial.coefficients();
    fit.r2 = fitted.fit.r2;
    fit.rmse = fitted.fit.rmse;
    fit.x_range = {fitted.fit.x.lo, fitted.fit.x.hi};
    fit.y_range = {fitted.fit.y.lo, fitted.fit.y.hi};
    const PairSet& set = fitted.data.fitted;
    std::vector<double> xs;
    std::vector<double> ys;
    for (const Pair& pair : set.pairs) {
      const auto it = std::find(fit_prompts_.begin(), fit_prompts_.end(), set.prompts[pair.prompt]);
      const int prompt =
          it == fit_prompts_.end() ? -1 : static_cast<int>(it - fit_prompts_.begin());
      fit.pairs.push_back({pair.x, pair.y, prompt, pair.call});
      xs.push_back(pair.x);
      ys.push_back(pair.y);
    }
    fit.pearson = Pearson(xs, ys);
    return fit;
  }

  // All settings of one prompt and seed follow each other, so that drift of the machine hits all
  // alike. False when interrupted.
  bool GenerateAll(const SweepFit& fit) {
    OpenJournal(fit);
    const int total =
        static_cast<int>(test_prompts_.size() * options_.seeds.size() * settings_.size());
    const auto report = [&](const std::string& item) {
      progress_->Report(
          {"sweeping", "videos", static_cast<int64_t>(finished_.size()), total, item});
    };
    report("");
    system_.Prepare(test_prompts_, progress_);
    WarmUp();
    for (size_t prompt = 0; prompt < test_prompts_.size(); ++prompt) {
      for (const int64_t seed : options_.seeds) {
        std::optional<Video> uncached;
        for (const Setting& setting : settings_) {
          const Key key{setting.id, static_cast<int>(prompt), seed};
          if (finished_.contains(key)) continue;
          if (Interrupted()) return false;
          Finished finished = MakeVideo(setting, fit, static_cast<int>(prompt), seed, &uncached);
          journal_->Append(ToJson(setting.id, finished));
          finished_[key] = std::move(finished);
          report(setting.id);
        }
      }
    }
    return true;
  }

  void OpenJournal(const SweepFit& fit) {
    const SystemInfo& info = system_.info();
    const json settings = {{"model", info.name},
                           {"weights_sha256", info.weights_digest},
                           {"steps", info.steps},
                           {"guidance", info.guidance},
                           {"dtype", info.dtype},
                           {"device", info.device},
                           {"coefficients", fit.coefficients},
                           {"test_prompts", test_prompts_},
                           {"crf", options_.crf},
                           {"lpips", options_.lpips ? options_.lpips->Definition() : ""}};
    const std::string path = Path("sweep.jsonl");
    journal_.emplace(path, "sweep", settings);
    for (const json& entry : journal_->entries()) {
      Finished finished = FinishedFromJson(entry, path);
      if (!fs::exists(fs::path(options_.out) / finished.video.path)) continue;
      const Key key{entry.at("setting"), finished.video.prompt, finished.video.seed};
      finished_[key] = std::move(finished);
    }
  }

  // The first run pays for lazy initialisation; it must not count.
  void WarmUp() const {
    const auto policy = MakeNoCachePolicy();
    GenerateVideo(system_, *policy, test_prompts_.front(), options_.seeds.front());
  }

  std::unique_ptr<CachePolicy> MakePolicy(const Setting& setting,
                                          const SweepFit& fit,
                                          int prompt,
                                          int64_t seed) const {
    if (setting.policy == "teacache") {
      return MakeTeaCachePolicy({setting.threshold, Polynomial(fit.coefficients)});
    }
    if (setting.policy == "uniform") {
      const std::vector<bool>& computed =
          finished_.at({setting.matches, prompt, seed}).video.computed;
      return MakeUniformPolicy(
          static_cast<int>(std::count(computed.begin(), computed.end(), true)));
    }
    return MakeNoCachePolicy();
  }

  Finished MakeVideo(const Setting& setting,
                     const SweepFit& fit,
                     int prompt,
                     int64_t seed,
                     std::optional<Video>* uncached) const {
    const std::string& text = test_prompts_[prompt];
    const auto policy = MakePolicy(setting, fit, prompt, seed);
    const GeneratedVideo made = GenerateVideo(system_, *policy, text, seed);
    Finished finished;
    SweepVideo& video = finished.video;
    video.prompt = prompt;
    video.seed = seed;
    video.computed = made.sample.Computed();
    video.transformer_seconds = made.transformer_seconds;
    video.decode_seconds = made.decode_seconds;
    video.total_seconds = made.transformer_seconds + made.decode_seconds;
    finished.scene = system_.CheckScene(text, made.video);
    if (setting.id == kUncached) {
      *uncached = made.video;
    } else {
      // A resumed sweep makes the uncached video again; its bits are the same.
      if (!*uncached) {
        *uncached = GenerateVideo(system_, *MakeNoCachePolicy(), text, seed).video;
      }
      Score(**uncached, made.video, &video);
    }
    video.path = fmt::format("videos/{}/{}.mp4", setting.id, VideoStem(text, seed));
    const fs::path file = fs::path(options_.out) / video.path;
    MakeFolders(file.parent_path().string());
    VideoWriterOptions writer;
    writer.fps = system_.info().fps;
    writer.crf = options_.crf;
    WriteVideo(file.string(), made.video, writer);
    finished.bytes = static_cast<int64_t>(fs::file_size(file));
    return finished;
  }

  void Score(const Video& uncached, const Video& cached, SweepVideo* video) const {
    ScoreOptions score_options;
    score_options.lpips = options_.lpips;
    const VideoScore score = ScoreVideos(uncached, cached, score_options);
    if (!score.ok()) {
      video->error = score.error;
      return;
    }
    const auto number = [&](const char* metric) -> std::optional<double> {
      const auto it = score.scores.find(metric);
      if (it == score.scores.end() || !std::isfinite(it->second)) return std::nullopt;
      return it->second;
    };
    video->identical = score.identical_frames == score.frames;
    video->psnr = number("psnr");
    video->ssim = number("ssim");
    video->lpips = number("lpips");
  }

  SweepRow MakeRow(const Setting& setting, const SweepFit& fit) const {
    SweepRow row;
    row.id = setting.id;
    row.model = system_.info().name;
    row.policy = setting.policy;
    row.calls = system_.info().calls;
    row.matches = setting.matches;
    if (setting.policy == "teacache") {
      row.fit = fit.name;
      row.threshold = setting.threshold;
    }
    std::vector<std::pair<std::string, double>> right;
    double overlap = 0;
    int checked = 0;
    for (size_t prompt = 0; prompt < test_prompts_.size(); ++prompt) {
      for (const int64_t seed : options_.seeds) {
        const Finished& finished = finished_.at({setting.id, static_cast<int>(prompt), seed});
        row.videos.push_back(finished.video);
        row.bytes += finished.bytes;
        if (!finished.scene) continue;
        ++checked;
        overlap += finished.scene->overlap;
        if (right.empty()) {
          for (const auto& [axis, ok] : finished.scene->axes) right.emplace_back(axis, 0);
        }
        for (size_t a = 0; a < right.size(); ++a) right[a].second += finished.scene->axes[a].second;
      }
    }
    for (const auto& [axis, count] : right) {
      row.adherence.push_back({axis, count / checked, std::nullopt});
    }
    if (checked > 0) row.scene_iou = overlap / checked;
    if (setting.policy == "uniform") {
      double computed = 0;
      for (const SweepVideo& video : row.videos) {
        computed +=
            static_cast<double>(std::count(video.computed.begin(), video.computed.end(), true));
      }
      row.computed_target = computed / static_cast<double>(row.videos.size());
    }
    return row;
  }

  const System& system_;
  const SweepOptions& options_;
  std::vector<Setting> settings_;
  std::vector<std::string> fit_prompts_;
  std::vector<std::string> test_prompts_;
  ProgressSink* progress_ = nullptr;
  std::optional<Journal> journal_;
  std::map<Key, Finished> finished_;
};

}  // namespace

void SweepOptions::Validate() const {
  if (out.empty()) ThrowUserError("--out", "must name a folder");
  if (thresholds.empty()) ThrowUserError("--thresholds", "must hold at least one number");
  for (size_t i = 0; i < thresholds.size(); ++i) {
    if (!std::isfinite(thresholds[i]) || thresholds[i] < 0) {
      ThrowUserError("--thresholds", "must be numbers of at least 0 but one is {}", thresholds[i]);
    }
    if (std::find(thresholds.begin(),
                  thresholds.begin() + static_cast<std::ptrdiff_t>(i),
                  thresholds[i]) != thresholds.begin() + static_cast<std::ptrdiff_t>(i)) {
      ThrowUserError("--thresholds", "must be different but {} occurs twice", thresholds[i]);
    }
  }
  if (seeds.empty()) ThrowUserError("--seeds", "must hold at least one seed");
  if (demo_fit_prompts < 1 || demo_test_prompts < 1) {
    ThrowUserError("sweep-report", "needs at least one fit prompt and one test prompt");
  }
}

SweepPlan PlanSweep(const System& system, const SweepOptions& options) {
  options.Validate();
  const auto count = [](const std::vector<std::string>& given, int demo) {
    return given.empty() ? demo : static_cast<int>(given.size());
  };
  const int seeds = static_cast<int>(options.seeds.size());
  SweepPlan plan;
  plan.fit_runs =
      options.coeffs.empty() ? count(options.fit_prompts, options.demo_fit_prompts) * seeds : 0;
  plan.settings = static_cast<int>(MakeSettings(options).size());
  plan.videos = count(options.test_prompts, options.demo_test_prompts) * seeds * plan.settings;
  plan.calls = static_cast<int64_t>(plan.fit_runs + plan.videos) * system.info().calls;
  return plan;
}

SweepOutcome RunSweep(const SweepOptions& options) {
  options.Validate();
  const std::unique_ptr<System> system = LoadSystem(options.model, options.system);
  return RunSweep(*system, options);
}

SweepOutcome RunSweep(const System& system, const SweepOptions& options) {
  options.Validate();
  return SweepRun(system, options).Run();
}

}  // namespace teacache
