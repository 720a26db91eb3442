// sweep-report: the whole experiment on one system or several, and its page; pages of runs made
// elsewhere (render); two reports compared (diff).

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "datasets/base/files.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/outputs.h"
#include "reports/data/report_json.h"
#include "reports/findings/choices.h"
#include "reports/findings/diff.h"
#include "reports/findings/gate.h"
#include "reports/findings/labels.h"
#include "reports/render/render.h"
#include "reports/sweep/metric_flags.h"
#include "reports/sweep/model_flags.h"
#include "reports/sweep/sweep.h"
#include "reports/sweep/sweep_plan.h"
#include "runners/cli_options.h"
#include "runners/systems/system_list.h"

namespace teacache {
namespace {

std::string Minutes(double seconds) {
  return seconds < 90 ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.1f} min", seconds / 60);
}

std::string Megabytes(int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

void PrintPlan(const SweepPlan& plan, const SystemInfo& info) {
  fmt::print(
      "{} ({} steps, guidance {}): {} fit runs, {} settings, {} videos, each timed {} times; at "
      "most {} transformer calls\n"
      "about {} (at most {}), {} of videos; measured: {:.3f} s for an uncached video\n",
      info.name,
      info.steps,
      info.guidance,
      plan.fit_runs,
      plan.settings,
      plan.videos,
      plan.timed_runs,
      plan.calls,
      Minutes(plan.seconds),
      Minutes(plan.seconds_at_most),
      Megabytes(plan.bytes),
      plan.seconds_per_run);
}

std::vector<std::string> SystemNames() {
  std::vector<std::string> names;
  for (const SystemEntry& entry : Systems()) names.push_back(entry.name);
  return names;
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

// Prints what is not met of --require; the exit code.
int CheckGate(const std::vector<RequirementOutcome>& outcomes, int code) {
  fmt::print(stderr, "{}", BreachLines(outcomes));
  return ExitCodeOf(outcomes, code);
}

void AddRequireFlag(CLI::App* app, std::vector<std::string>* require) {
  app->add_option("--require",
                  *require,
                  std::string(kRequireHelp) + ". Every setting but the uncached one must keep it")
      ->allow_extra_args(false);
}

int PrintOutcome(const Report& report, const std::string& page, int failed) {
  for (const std::string& line : ConclusionTexts(report)) fmt::print("* {}\n", line);
  fmt::print("{}\n", page);
  for (const std::string& warning : report.context.warnings) {
    fmt::print(stderr, "note: {}\n", warning);
  }
  if (failed > 0) {
    fmt::print(stderr, "{} videos failed or are missing; the page lists them\n", failed);
  }
  return CheckGate(report.requirements, failed > 0 ? 1 : 0);
}

// Values of flags as they are typed.
struct SweepFlags {
  std::string fit_prompts;
  std::string test_prompts;
  std::string seeds = "0";
  std::string thresholds = "auto";
  std::string baselines = "uniform,mask,magcache,steps";
  std::string floor = "30";
  bool dry_run = false;
  MetricFlags metrics;
  OutputOwner owner;
  VbenchSetup vbench;
};

void AddFloorFlag(CLI::App* app, std::string* floor) {
  app->add_option(
         "--floor,--psnr-floor",
         *floor,
         "Score that the worst 5 % of the videos (of fewer than 20 the worst one) must keep "
         "for a setting to be recommended: METRIC=NUMBER, or a number in dB of PSNR")
      ->capture_default_str();
}

// The default is passed over: its metric may be left out on purpose.
void CheckFloorMetric(const ReportFloor& floor, const Metrics& metrics) {
  if (floor.metric == ReportFloor{}.metric) return;
  std::vector<std::string> names;
  for (const auto& metric : metrics) names.push_back(metric->info().name);
  if (std::ranges::find(names, floor.metric) != names.end()) return;
  ThrowUserError("--floor", "must be of one of {} but is of \"{}\"", Listed(names), floor.metric);
}

void AddSweepPromptFlags(CLI::App* app, SweepOptions* options, SweepFlags* flags) {
  app->add_option(
      "--fit-prompts", flags->fit_prompts, "File of prompts for the fit; default: the system's");
  app->add_option("--prompts", flags->test_prompts, "File of test prompts; default: the system's");
  app->add_option(
         "--fit-count", options->demo_fit_prompts, "Number of the system's own prompts for the fit")
      ->capture_default_str();
  app->add_option(
         "--count", options->demo_test_prompts, "Number of the system's own prompts for the test")
      ->capture_default_str();
  app->add_option("--seeds", flags->seeds, "Seeds of the initial noise, e.g. 0-4")
      ->capture_default_str();
}

void AddExperimentFlags(CLI::App* app, SweepOptions* options, SweepFlags* flags) {
  app->add_option(
         "--thresholds",
         flags->thresholds,
         "Thresholds of TeaCache, separated by commas; auto or auto:N = N of them (7), spaced evenly "
         "in skipped calls until the speed-up saturates")
      ->capture_default_str();
  app->add_option("--coeffs",
                  options->coeffs,
                  "Coefficient set: fitted (on the fit prompts), published (for this model), the "
                  "name of a published set (fit-coeffs list), a list of numbers, or a file; may be "
                  "given several times; baselines use as many calls as the first")
      ->capture_default_str();
  app->add_option("--degree", options->degree, "Degree of the fitted polynomial")
      ->capture_default_str();
  AddTeaCacheModeFlag(app, &options->teacache_mode);
  app->add_option(
         "--baselines",
         flags->baselines,
         "Policies compared at equal computed calls, video by video: any of uniform, mask, "
         "magcache, steps, or none")
      ->capture_default_str();
  app->add_option(
         "--timed-runs", options->timed_runs, "Timed runs of every video; settings take turns")
      ->capture_default_str();
  app->add_option("--max-minutes",
                  options->max_minutes,
                  "Start no test prompt that would end later; 0 = all prompts")
      ->capture_default_str();
  AddFloorFlag(app, &flags->floor);
  app->add_option("--threads", options->threads, "Threads within one video")->capture_default_str();
  app->add_flag("--lossy",
                options->lossy,
                "Keep and score H.264 files only; default: FFV1 for scores, H.264 for the page");
  app->add_option("--crf", options->crf, "Quality of the H.264 files, 0 (lossless) to 51")
      ->capture_default_str();
  app->add_flag("--embed-videos",
                options->embed_videos,
                "Put the videos into the page, which can then be sent as one file");
}

void SetThresholds(const std::string& text, SweepOptions* options) {
  if (text == "auto") return;
  if (text.starts_with("auto:")) {
    options->auto_thresholds = static_cast<int>(ParseSeeds(text.substr(5)).front());
    return;
  }
  for (const std::string& word : Split(text)) {
    size_t end = 0;
    double value = 0;
    try {
      value = std::stod(word, &end);
    } catch (const std::exception&) {
      end = 0;
    }
    if (end == 0 || end != word.size()) {
      ThrowUserError("--thresholds", "must be auto, auto:N or numbers but has '{}'", word);
    }
    options->thresholds.push_back(value);
  }
  if (options->thresholds.empty()) ThrowUserError("--thresholds", "must hold at least one number");
}

constexpr const char* kReportFiles[] = {
    "report.html", "report.json", "report.csv", "videos.csv", "report.md", "report.tex"};

void AddReportOutputs(const std::string& folder, OutputCheck* check) {
  check->WritesFolder("--out", folder);
  for (const char* name : kReportFiles) check->WritesFile("--out", folder + "/" + name);
}

// A sweep goes on with the folder of any other one, whose sweep.jsonl keeps what is still of use.
void AddSweepOutputs(const std::string& folder,
                     const std::vector<std::string>& models,
                     OutputCheck* check) {
  std::vector<std::string> folders = {folder};
  if (models.size() > 1) {
    for (const std::string& model : models) folders.push_back(folder + "/" + model);
  }
  const bool goes_on = std::ranges::any_of(folders, [](const std::string& path) {
    std::error_code error;
    return std::filesystem::exists(path + "/sweep.jsonl", error);
  });
  const auto add = [&](const std::string& path) {
    goes_on ? check->GrowsFile("--out", path) : check->WritesFile("--out", path);
  };
  for (const std::string& path : folders) {
    check->WritesFolder("--out", path);
    for (const char* name : kReportFiles) add(path + "/" + name);
    for (const char* name : {"coeffs.json", "trace.jsonl", "test_trace.jsonl"}) {
      add(path + "/" + name);
    }
    check->GrowsFile("journal of --out", path + "/sweep.jsonl");
  }
}

struct RenderFlags {
  RenderOptions options;
  MetricFlags metrics;
  VbenchSetup vbench;
  OutputOwner owner;
  std::string fit_prompts;
  std::string floor = "30";
};

CLI::App* AddRender(CLI::App* app, RenderFlags* flags) {
  CLI::App* render = app->add_subcommand(
      "render",
      "Makes the page of runs made elsewhere. Each FOLDER is one setting (videos, and perhaps "
      "setting.json and timing.csv or timing.jsonl, as datasets/FORMATS.md describes), a folder of "
      "such folders, a run folder of generate-videos, or a finished sweep. Videos are scored as "
      "eval-metrics scores them, against the uncached setting of the same model.");
  RenderOptions& options = flags->options;
  render->add_option("FOLDER", options.folders, "Settings, folders of settings, or sweeps")
      ->required();
  render->add_option("--out", options.out, "Folder of the report")->required();
  render->add_option("--uncached",
                     options.uncached,
                     "Name of the uncached setting's folder; default: the one that says so");
  render->add_option("--title", options.title, "Heading of the page");
  render->add_option(
      "--fit-prompts", flags->fit_prompts, "File of the prompts of the fit, which are marked");
  AddFloorFlag(render, &flags->floor);
  render->add_option("--jobs", options.jobs, "Videos scored at a time; 0 = one per processor")
      ->capture_default_str();
  render->add_flag("--embed-videos",
                   options.embed_videos,
                   "Put the videos into the page, which can then be sent as one file");
  AddMetricFlags(render, &flags->metrics);
  AddVbenchFlags(render, &flags->vbench);
  AddOverwriteFlag(render, &flags->owner);
  AddRequireFlag(render, &options.require);
  return render;
}

int Render(RenderFlags* flags) {
  const InterruptGuard guard;
  ProgressPrinter progress;
  RenderOptions& options = flags->options;
  options.progress = &progress;
  if (!flags->fit_prompts.empty()) options.fit_prompts = ReadPrompts(flags->fit_prompts);
  options.floor = ParseFloor(flags->floor);
  options.Validate();
  OutputCheck check;
  for (const std::string& folder : options.folders) check.Keeps("FOLDER", folder);
  check.Reads("--fit-prompts", flags->fit_prompts);
  AddReportOutputs(options.out, &check);
  check.OwnedBy(flags->owner);
  check.Run();
  check.Begin();
  options.metrics = ChooseMetrics(flags->metrics, &options.notes);
  CheckFloorMetric(options.floor, options.metrics);
  options.vbench = ChooseVbench(flags->vbench, "cpu");
  const RenderOutcome outcome = RenderReport(options);
  check.Finish();
  if (!options.embed_videos) {
    fmt::print(stderr,
               "note: the page plays the videos where they are; --embed-videos puts them into the "
               "page, which can then be sent as one file\n");
  }
  return PrintOutcome(outcome.report, outcome.page, outcome.failed);
}

// The file of a report that is given by its file or its folder.
std::string ReportPath(const std::string& path) {
  return std::filesystem::is_directory(path) ? path + "/report.json" : path;
}

struct DiffFlags {
  std::string a;
  std::string b;
  std::string json;
  OutputOwner owner;
  std::vector<std::string> require;
};

CLI::App* AddDiff(CLI::App* app, DiffFlags* flags) {
  CLI::App* diff = app->add_subcommand(
      "diff",
      "Compares two reports: which settings became better or worse from A to B, beyond the 95 % "
      "intervals. --require is about B.");
  diff->add_option("A", flags->a, "report.json, or the folder that holds it")->required();
  diff->add_option("B", flags->b, "The other one")->required();
  AddJsonFlag(diff, &flags->json);
  AddOverwriteFlag(diff, &flags->owner);
  AddRequireFlag(diff, &flags->require);
  return diff;
}

int Diff(const DiffFlags& flags) {
  const std::vector<Requirement> requirements = ParseRequirements(flags.require);
  const std::string a = ReportPath(flags.a), b = ReportPath(flags.b);
  OutputCheck check;
  for (const std::string& report : {a, b}) check.Reads("report", report);
  check.WritesFile("--json", flags.json == "-" ? "" : flags.json);
  check.OwnedBy(flags.owner);
  check.Run();
  check.Begin();
  const Report report = ReadReportJson(b);
  const ReportDiff difference = DiffReports(ReadReportJson(a), report);
  const std::string json = DifferenceJson(difference);
  if (!flags.json.empty() && flags.json != "-") AtomicWriteFile(flags.json, json);
  check.Finish();
  fmt::print("{}", flags.json == "-" ? json : DifferenceText(difference));
  int failed = 0;
  for (const ReportRow& row : report.rows) failed += row.failed;
  return CheckGate(CheckReport(report, requirements), failed > 0 && !requirements.empty() ? 1 : 0);
}

// Flags of a report, which cannot differ between its models.
const std::vector<std::string> kCommonFlags = {"--model",
                                               "--out",
                                               "--floor",
                                               "--psnr-floor",
                                               "--max-minutes",
                                               "--metrics",
                                               "--lpips-net",
                                               "--lpips-weights",
                                               "--vbench",
                                               "--vbench-networks",
                                               "--vbench-network",
                                               "--embed-videos",
                                               "--overwrite",
                                               "--require",
                                               "--dry-run"};

void AddSweepFlags(CLI::App* app, SweepOptions* options, SweepFlags* flags) {
  AddSystemFlags(app, &options->model, &options->system);
  app->get_option("--model")->join(',');
  app->add_option("--out", options->out, "Folder to fill or go on with");
  AddSweepPromptFlags(app, options, flags);
  AddExperimentFlags(app, options, flags);
  AddMetricFlags(app, &flags->metrics);
  AddVbenchFlags(app, &flags->vbench);
  AddOverwriteFlag(app, &flags->owner);
  AddRequireFlag(app, &options->require);
  app->add_flag("--dry-run",
                flags->dry_run,
                "Print the plan with calls, estimated time and disk space, and stop");
}

// What the typed values say, once they are parsed.
void Interpret(const SweepFlags& flags, SweepOptions* options) {
  if (!flags.fit_prompts.empty()) options->fit_prompts = ReadPrompts(flags.fit_prompts);
  if (!flags.test_prompts.empty()) options->test_prompts = ReadPrompts(flags.test_prompts);
  options->seeds = ParseSeeds(flags.seeds);
  SetThresholds(flags.thresholds, options);
  options->floor = ParseFloor(flags.floor);
  options->baselines =
      flags.baselines == "none" ? std::vector<std::string>() : Split(flags.baselines);
}

// The options of one of several models.
SweepOptions OptionsFor(const std::string& model, const std::vector<std::string>& arguments) {
  SweepOptions options;
  SweepFlags flags;
  CLI::App app("", "sweep-report");
  AddSweepFlags(&app, &options, &flags);
  std::vector<std::string> words = ArgumentsFor(model, SystemNames(), arguments);
  std::ranges::reverse(words);  // as CLI11 takes them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    ThrowUserError(model, "{} (see --help)", error.what());
  }
  Interpret(flags, &options);
  options.model = model;
  return options;
}

int Plan(const std::vector<SweepOptions>& sweeps) {
  double seconds = 0;
  int64_t bytes = 0;
  for (const SweepOptions& sweep : sweeps) {
    const std::unique_ptr<System> system = LoadSystem(sweep.model, sweep.system);
    const SweepPlan plan = PlanSweep(*system, sweep);
    if (!system->Plan().empty()) {
      fmt::print("{}", DescribePlan(*system, sweep.system.offload, plan.videos));
    }
    PrintPlan(plan, system->info());
    seconds += plan.seconds;
    bytes += plan.bytes;
  }
  if (sweeps.size() > 1) {
    fmt::print("all models: about {}, {} of videos\n", Minutes(seconds), Megabytes(bytes));
  }
  return 0;
}

int Sweep(std::vector<SweepOptions> sweeps, const std::string& out, const SweepFlags& flags) {
  const InterruptGuard guard;
  ProgressPrinter progress;
  for (SweepOptions& sweep : sweeps) {
    sweep.progress = &progress;
    sweep.Validate();
  }
  if (flags.dry_run) return Plan(sweeps);
  std::vector<std::string> notes;
  const Metrics metrics = ChooseMetrics(flags.metrics, &notes);
  CheckFloorMetric(sweeps.front().floor, metrics);
  const VbenchOptions vbench = ChooseVbench(flags.vbench, sweeps.front().system.device);
  for (SweepOptions& sweep : sweeps) {
    sweep.metrics = metrics;
    sweep.notes = notes;
    sweep.vbench = vbench;
  }
  const SweepOutcome outcome =
      sweeps.size() > 1 ? RunSweeps(sweeps, out) : RunSweep(sweeps.front());
  if (outcome.interrupted) {
    fmt::print("interrupted; finished videos are kept in {}; run the same command again to go on\n",
               out);
    return 1;
  }
  return PrintOutcome(outcome.report, outcome.page, outcome.failed);
}

int SweepOf(const SweepOptions& options,
            const SweepFlags& flags,
            const std::vector<std::string>& arguments,
            const std::vector<std::string>& argv) {
  // Not required() of CLI11: sub-commands have flags of their own.
  if (options.out.empty()) ThrowUserError("--out", "is required (see --help)");
  const std::vector<std::string> models = Split(options.model);
  if (models.empty()) ThrowUserError("--model", "must name at least one");
  CheckDistinct(models, "--model");
  CheckModelFlags(SystemNames(), models, kCommonFlags, arguments);
  OutputCheck check;
  AddSweepOutputs(options.out, models, &check);
  std::vector<SweepOptions> sweeps;
  for (const std::string& model : models) {
    sweeps.push_back(OptionsFor(model, arguments));
    sweeps.back().argv = argv;
    AddSystemInputs(sweeps.back().system, &check);
    for (const std::string& set : sweeps.back().coeffs) check.Reads("--coeffs", set);
  }
  check.Reads("--fit-prompts", flags.fit_prompts);
  check.Reads("--prompts", flags.test_prompts);
  check.OwnedBy(flags.owner);
  check.Run();
  return Sweep(std::move(sweeps), options.out, flags);
}

int Main(int argc, char** argv) {
  SweepOptions options;
  SweepFlags flags;
  RenderFlags render_flags;
  DiffFlags diff_flags;
  CLI::App app(
      "Runs the whole experiment: records full runs of the fit prompts, fits the polynomial, "
      "generates the test prompts uncached, with TeaCache at every threshold and by every baseline "
      "with as many computed calls, scores all against the uncached videos, and writes "
      "report.html, report.json, report.csv, report.md and report.tex. Running again goes on where it was "
      "stopped, and repeats only what depends on a changed flag.\n"
      "Several models in one report: --model a,b; flags of one of them: --MODEL.FLAG, as "
      "--latte.weights DIR.",
      "sweep-report");
  app.require_subcommand(0, 1);
  AddSweepFlags(&app, &options, &flags);
  const CLI::App* render = AddRender(&app, &render_flags);
  const CLI::App* diff = AddDiff(&app, &diff_flags);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::vector<std::string> common = ArgumentsFor("", SystemNames(), arguments);
  std::vector<const char*> words = {argv[0]};
  for (const std::string& word : common) words.push_back(word.c_str());
  return RunProgram(&app, static_cast<int>(words.size()), words.data(), [&] {
    const std::vector<std::string> whole = PortableArguments(argc, argv);
    render_flags.options.argv = whole;
    if (render->parsed()) return Render(&render_flags);
    if (diff->parsed()) return Diff(diff_flags);
    return SweepOf(options, flags, arguments, whole);
  });
}

}  // namespace
}  // namespace teacache

int main(int argc, char** argv) { return teacache::Main(argc, argv); }
