// sweep-report: the whole experiment on one system, and its page.

#include "datasets/interrupt.h"
#include "metrics/lpips_weights.h"
#include "reports/sweep.h"
#include "runners/cli_options.h"

namespace teacache {
namespace {

void PrintPlan(const SweepPlan& plan, const SystemInfo& info) {
  fmt::print(
      "{} ({} steps, guidance {}): {} fit runs, {} settings, {} videos, at most {} "
      "transformer calls\n",
      info.name,
      info.steps,
      info.guidance,
      plan.fit_runs,
      plan.settings,
      plan.videos,
      plan.calls);
}

struct LpipsFlags {
  std::string net = "alex";
  std::string weights;
};

// LPIPS joins where its weights are; a folder that was named must hold them.
std::shared_ptr<const PerceptualMetric> ChooseLpips(const LpipsFlags& flags) {
  if (flags.net == "none") return nullptr;
  const LpipsNet net = ParseLpipsNet(flags.net);
  const LpipsFiles files = FindLpipsFiles(net, flags.weights);
  if (files.complete()) return LoadLpips({net, /*spatial=*/true}, files);
  if (!flags.weights.empty()) ThrowUserError("--lpips-weights", "{}", files.how_to);
  fmt::print(stderr, "without LPIPS: {}\n", files.how_to);
  return nullptr;
}

int Sweep(SweepOptions options, const LpipsFlags& lpips, bool dry_run) {
  const InterruptGuard guard;
  ProgressPrinter progress;
  options.progress = &progress;
  const std::unique_ptr<System> system = LoadSystem(options.model, options.system);
  PrintPlan(PlanSweep(*system, options), system->info());
  if (dry_run) return 0;
  options.lpips = ChooseLpips(lpips);
  const SweepOutcome outcome = RunSweep(*system, options);
  if (outcome.interrupted) {
    fmt::print("interrupted; finished videos are kept in {}, run again to go on\n", options.out);
    return 1;
  }
  for (const std::string& sentence : outcome.report.conclusions) fmt::print("* {}\n", sentence);
  fmt::print("{}\n", outcome.page);
  return 0;
}

}  // namespace
}  // namespace teacache

int main(int argc, char** argv) {
  teacache::SweepOptions options;
  std::string fit_prompts;
  std::string test_prompts;
  std::string seeds = "0";
  teacache::LpipsFlags lpips;
  bool dry_run = false;
  CLI::App app(
      "Runs the whole experiment: records full runs of the fit prompts, fits the polynomial, "
      "generates the test prompts uncached, with TeaCache at every threshold and by uniform "
      "skipping "
      "with as many computed calls, scores all against the uncached videos, and writes "
      "report.html, "
      "report.json, report.csv and report.md. Running again goes on where it was stopped.",
      "sweep-report");
  teacache::AddSystemFlags(&app, &options.model, &options.system);
  app.add_option("--out", options.out, "folder to fill or go on with")->required();
  app.add_option("--fit-prompts", fit_prompts, "file of prompts for the fit; default the system's");
  app.add_option("--prompts", test_prompts, "file of test prompts; default the system's");
  app.add_option(
         "--fit-count", options.demo_fit_prompts, "how many of the system's own for the fit")
      ->capture_default_str();
  app.add_option("--count", options.demo_test_prompts, "how many of the system's own for the test")
      ->capture_default_str();
  app.add_option("--seeds", seeds, "seeds of the starting noise, like 0-4")->capture_default_str();
  app.add_option("--thresholds", options.thresholds, "of TeaCache, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--degree", options.degree, "of the polynomial")->capture_default_str();
  app.add_option("--coeffs", options.coeffs, "coefficients file instead of recording and fitting");
  app.add_option("--crf", options.crf, "quality of the videos beside the page, 0 to 51")
      ->capture_default_str();
  app.add_option("--lpips-net", lpips.net, "alex, squeeze, vgg or none")->capture_default_str();
  app.add_option("--lpips-weights",
                 lpips.weights,
                 "folder of the LPIPS weights; default where build.sh weights puts them");
  app.add_flag("--dry-run", dry_run, "print the plan and stop");
  return teacache::RunProgram(&app, argc, argv, [&] {
    if (!fit_prompts.empty()) options.fit_prompts = teacache::ReadPrompts(fit_prompts);
    if (!test_prompts.empty()) options.test_prompts = teacache::ReadPrompts(test_prompts);
    options.seeds = teacache::ParseSeeds(seeds);
    options.argv = teacache::PortableArguments(argc, argv);
    return teacache::Sweep(options, lpips, dry_run);
  });
}
