#include "reports/sweep/sweep.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/interrupt.h"
#include "datasets/prompts.h"
#include "datasets/tensors/torch_threads.h"
#include "datasets/work/work_loop.h"
#include "reports/data/run_context.h"
#include "reports/findings/choices.h"
#include "reports/findings/join.h"
#include "reports/findings/scores.h"
#include "reports/findings/summaries.h"
#include "reports/pages/html_report.h"
#include "reports/sweep/sweep_calibration.h"
#include "reports/sweep/sweep_plan.h"
#include "reports/sweep/sweep_rows.h"
#include "reports/sweep/sweep_settings.h"
#include "reports/sweep/sweep_store.h"
#include "reports/sweep/sweep_videos.h"
#include "reports/sweep/trace_store.h"
#include "runners/systems/system_list.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

const std::vector<std::string> kBaselines = {"uniform", "mask", "magcache", "steps"};

void CheckThresholds(const std::vector<double>& thresholds) {
  for (size_t i = 0; i < thresholds.size(); ++i) {
    if (!std::isfinite(thresholds[i]) || thresholds[i] < 0) {
      ThrowUserError("--thresholds", "must be numbers of at least 0 but one is {}", thresholds[i]);
    }
    const auto end = thresholds.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(thresholds.begin(), end, thresholds[i]) != end) {
      ThrowUserError("--thresholds", "must be different but {} occurs twice", thresholds[i]);
    }
  }
}

// Before the work, not after it.
void CheckMetrics(const SystemInfo& system, const Metrics& metrics) {
  for (const auto& metric : metrics) {
    if (std::min(system.width, system.height) >= metric->MinSize()) continue;
    ThrowUserError("--metrics",
                   "{} needs pictures of {}x{} or larger but those of {} are {}x{}",
                   metric->info().label,
                   metric->MinSize(),
                   metric->MinSize(),
                   system.name,
                   system.width,
                   system.height);
  }
}

class SweepRun {
 public:
  SweepRun(const System& system, const SweepOptions& options)
      : system_(system),
        options_(options),
        threads_(options.threads),
        prompts_(ChooseSweepPrompts(system, options)),
        traces_(system, Path("kept"), options.threads),
        store_(options.out, Machine(system)),
        progress_(options.progress ? *options.progress : NoProgress()) {}

  SweepOutcome Run() {
    SweepOutcome outcome;
    ReportContext& context = outcome.report.context;
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
    for (const ReportRow& row : outcome.report.rows) outcome.failed += row.failed;
    return outcome;
  }

 private:
  static std::string Machine(const System& system) {
    const ReportContext here = DescribeRun({}, system.info().device, 1);
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
  void ReportProgress(const std::string& item) {
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
    ReportProgress("");
    const size_t seeds = options_.seeds.size();
    std::vector<std::string> runs;  // their prompts
    for (const std::string& prompt : prompts_.fit) runs.insert(runs.end(), seeds, prompt);
    const auto record = [&](size_t i) { traces_.Record(runs[i], options_.seeds[i % seeds]); };
    if (!RunInTurn(runs, record)) return false;
    WriteTrace(Path("trace.jsonl"), traces_.Select(prompts_.fit, options_.seeds));
    calibration_ =
        Calibrate(system_, options_, prompts_.fit, Path("trace.jsonl"), Path("coeffs.json"));
    if (calibration_.ratios.empty()) std::erase(baselines_, "magcache");
    std::vector<std::string> names;
    for (const ReportFit& set : calibration_.sets) names.push_back(set.name);
    settings_ = MakeSettings(names, calibration_.thresholds, baselines_);
    videos_.emplace(system_, options_, prompts_.test, calibration_, &store_);
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
    RecordTest(prompts_.test[prompt], seed);
    ++done_;
    std::vector<std::string> names;
    for (int round = 0; round < options_.timed_runs; ++round) {
      for (const SweepSetting& setting : settings_) names.push_back(setting.id);
    }
    const auto run = [&](size_t i) {
      const SweepSetting& setting = settings_[i % settings_.size()];
      const int round = static_cast<int>(i / settings_.size());
      if (round == 0) videos_->Finish(setting, prompt, seed);
      videos_->Time(setting, prompt, seed, round);
      if ((i + 1) % settings_.size() == 0) store_.WriteTimes();
    };
    if (!RunInTurn(names, run)) return false;
    videos_->Score(settings_, prompt, seed);
    return true;
  }

  // One run after the other, since they are timed. False when interrupted.
  bool RunInTurn(const std::vector<std::string>& names, const std::function<void(size_t)>& run) {
    WorkOptions work;
    work.stop_at_failure = true;
    const WorkSummary summary = RunWork(names, work, {}, [&](size_t i) -> Commit {
      run(i);
      return [&, i] {
        ++done_;
        ReportProgress(names[i]);
      };
    });
    for (const FailedItem& item : summary.failed) ThrowUserError(item.name, "{}", item.error);
    return !summary.interrupted;
  }

  // A prompt that fails here fails again as a video, which then says why.
  void RecordTest(const std::string& prompt, int64_t seed) {
    try {
      traces_.Record(prompt, seed);
    } catch (const std::exception&) {
    }
  }

  void FillReport(Report* report) {
    ReportContext& context = report->context;
    prompts_.test.resize(prompts_used_);
    context.fit_prompts = prompts_.fit;
    context.test_prompts = prompts_.test;
    context.prompts_asked = prompts_.asked;
    context.seeds = options_.seeds;
    context.timed_runs = options_.timed_runs;
    context.floor = options_.floor;
    context.require = options_.require;
    context.load_end = MachineLoad();
    context.scored = options_.lossy
                         ? fmt::format("the H.264 files in videos/ (crf {}), their losses included",
                                       options_.crf)
                         : "the lossless files in videos/ (FFV1); preview/ holds lossy copies for "
                           "the browser";
    Append(options_.notes, &context.warnings);
    Append(calibration_.warnings, &context.warnings);
    Append(videos_->Warnings(), &context.warnings);
    for (const auto& metric : options_.metrics) report->metrics.push_back(metric->info());
    Append(VbenchMetrics(options_.vbench), &report->metrics);
    report->models = {DescribeModel(system_.info(), options_.teacache_mode)};
    report->fits = calibration_.sets;
    const SweepExtent extent{settings_, prompts_.test, options_.seeds};
    if (!ReplaySchedules(extent, calibration_, traces_, Path("test_trace.jsonl"), &*videos_)) {
      context.warnings.push_back(
          "Schedules were not replayed: not all test prompts could be recorded");
    }
    for (const SweepSetting& setting : settings_) {
      report->rows.push_back(
          MakeRow(setting, extent, system_.info(), calibration_, *videos_, store_));
    }
    SummarizeReport(report);
  }

  template <typename T>
  static void Append(const std::vector<T>& from, std::vector<T>* to) {
    to->insert(to->end(), from.begin(), from.end());
  }

  const System& system_;
  const SweepOptions& options_;
  TorchThreads threads_;
  Clock::time_point start_ = Clock::now();
  SweepPrompts prompts_;
  int prompts_used_ = 0;
  TraceStore traces_;
  SweepStore store_;
  ProgressSink& progress_;
  std::vector<std::string> baselines_;
  SweepCalibration calibration_;
  std::vector<SweepSetting> settings_;
  std::optional<SweepVideos> videos_;
  int64_t done_ = 0;
  int64_t total_ = 0;
};

}  // namespace

void SweepOptions::Validate() const {
  if (out.empty()) ThrowUserError("--out", "must name a folder");
  CheckThresholds(thresholds);
  if (auto_thresholds < 1 || auto_thresholds > 1000) {
    ThrowUserError("--thresholds", "must be 1 to 1000 of them but are {}", auto_thresholds);
  }
  if (seeds.empty()) ThrowUserError("--seeds", "must hold at least one seed");
  if (demo_fit_prompts < 1 || demo_test_prompts < 1) {
    ThrowUserError("sweep-report", "needs at least one fit prompt and one test prompt");
  }
  if (coeffs.empty()) ThrowUserError("--coeffs", "must name at least one coefficient set");
  CheckDistinct(coeffs, "--coeffs");
  for (const std::string& baseline : baselines) {
    if (std::ranges::find(kBaselines, baseline) == kBaselines.end()) {
      ThrowUserError("--baselines",
                     "must be any of uniform, mask, magcache and steps but one is '{}'",
                     baseline);
    }
  }
  CheckDistinct(baselines, "--baselines");
  if (timed_runs < 1) ThrowUserError("--timed-runs", "must be at least 1 but is {}", timed_runs);
  if (threads < 1) ThrowUserError("--threads", "must be at least 1 but is {}", threads);
  if (!(max_minutes >= 0) || std::isinf(max_minutes)) {
    ThrowUserError("--max-minutes", "must be at least 0 but is {}", max_minutes);
  }
  CheckFloor(floor);
  ParseRequirements(require);
  if (crf < 0 || crf > 51) ThrowUserError("--crf", "must be 0 to 51 but is {}", crf);
}

SweepOutcome RunSweep(const SweepOptions& options) {
  options.Validate();
  const std::unique_ptr<System> system = LoadSystem(options.model, options.system);
  return RunSweep(*system, options);
}

SweepOutcome RunSweep(const System& system, const SweepOptions& options) {
  options.Validate();
  if (!system.CanDecode()) {
    ThrowUserError("--model",
                   "must have a decoder for videos to compare, but {} has none",
                   system.info().name);
  }
  CheckCoefficientSets(system, options.coeffs);
  CheckMetrics(system.info(), options.metrics);
  return SweepRun(system, options).Run();
}

SweepOutcome RunSweeps(const std::vector<SweepOptions>& sweeps, const std::string& out) {
  std::vector<std::string> models;
  for (const SweepOptions& sweep : sweeps) models.push_back(sweep.model);
  CheckDistinct(models, "--model");
  SweepOutcome outcome;
  std::vector<FoundReport> reports;
  for (SweepOptions sweep : sweeps) {
    sweep.out = (fs::path(out) / sweep.model).string();
    sweep.max_minutes /= static_cast<double>(sweeps.size());
    SweepOutcome one = RunSweep(sweep);
    outcome.failed += one.failed;
    if (one.interrupted) {
      outcome.interrupted = true;
      return outcome;
    }
    reports.push_back({sweep.model, std::move(one.report)});
  }
  outcome.report = JoinReports(std::move(reports));
  WriteReportFiles(out, outcome.report, sweeps.front().embed_videos);
  outcome.page = (fs::path(out) / "report.html").string();
  return outcome;
}

}  // namespace teacache
