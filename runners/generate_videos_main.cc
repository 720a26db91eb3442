// generate-videos: prompts in, videos out, uncached or with a cache policy.

#include "datasets/base/interrupt.h"
#include "datasets/coefficients.h"
#include "datasets/work/parts.h"
#include "runners/cli_options.h"
#include "runners/generate_videos.h"
#include "runners/systems/system_list.h"

namespace teacache {
namespace {

struct CacheFlags {
  std::string coeffs;
  std::string mag_ratios;
  bool lossless = false;
};

void AddCacheFlags(CLI::App* app, PolicyOptions* policy, CacheFlags* flags) {
  app->add_option("--cache", policy->name, "none, teacache, uniform, mask or magcache")
      ->capture_default_str();
  app->add_option(
         "--threshold",
         policy->threshold,
         "teacache: skip while the accumulated rescaled change stays below this; magcache: while "
         "the accumulated error of the ratios does; >= 0, 0 = never skip")
      ->capture_default_str();
  app->add_option("--coeffs",
                  flags->coeffs,
                  "teacache: coefficients file of fit-coeffs; default the published ones");
  app->add_option("--engine",
                  policy->engine,
                  "teacache: engine whose rule decides what is skipped (fit-coeffs list)")
      ->capture_default_str();
  AddTeaCacheModeFlag(app, &policy->teacache_mode);
  app->add_option("--computed-calls",
                  policy->computed_calls,
                  "uniform: how many calls to compute, evenly spaced");
  app->add_option("--mask", policy->mask, "mask: one letter per call, C computed, S skipped");
  app->add_option("--mag-ratios",
                  flags->mag_ratios,
                  "magcache: ratios of the residual's size (fit-coeffs --emit magcache)");
  app->add_option("--max-skips", policy->magcache.max_skips, "magcache: most skips in a row")
      ->capture_default_str();
  app->add_option("--retention",
                  policy->magcache.retention,
                  "magcache: share of the run that is computed at its start")
      ->capture_default_str();
}

void ChooseCoefficients(const System& system, const std::string& coeffs, PolicyOptions* policy) {
  if (!coeffs.empty()) {
    const CoefficientSet set = ReadCoefficients(coeffs).set;
    policy->polynomial = Polynomial(set.coefficients);
    policy->range = {set.x_min, set.x_max};
    return;
  }
  if (const auto published = system.PublishedCoefficients()) {
    policy->polynomial = *published;
    return;
  }
  ThrowUserError("--coeffs",
                 "no coefficients are published for {}; give a file (record-diffs, then "
                 "fit-coeffs)",
                 system.info().name);
}

// For systems whose scenes are known: the share of videos that show what was asked for, by axis.
void PrintScenes(const GenerateSummary& summary) {
  std::vector<std::pair<std::string, int>> right;
  int checked = 0;
  for (const VideoTiming& timing : summary.videos) {
    if (timing.scene.empty()) continue;
    ++checked;
    right.resize(timing.scene.size());
    for (size_t i = 0; i < timing.scene.size(); ++i) {
      right[i].first = timing.scene[i].first;
      right[i].second += timing.scene[i].second;
    }
  }
  if (checked == 0) return;
  fmt::print("prompt adherence of {} videos:", checked);
  for (const auto& [axis, count] : right) {
    fmt::print(" {} {:.3f}", axis, static_cast<double>(count) / checked);
  }
  fmt::print("\n");
}

int Generate(GenerateOptions options,
             const PromptFlags& prompts,
             const CacheFlags& flags,
             const PlanFlag& plan) {
  const InterruptGuard guard;
  ProgressPrinter progress;
  options.progress = &progress;
  OutputCheck check;
  AddSystemInputs(options.system, &check);
  check.Reads("--prompts", prompts.file);
  check.Reads("--coeffs", flags.coeffs);
  check.Reads("--mag-ratios", flags.mag_ratios);
  check.WritesFolder("--out", options.out);
  for (const char* name : {"run.json", "timing.jsonl", "trace.jsonl"}) {
    check.WritesFile("--out", options.out + "/" + name);
  }
  check.Run();
  if (flags.lossless) options.video.codec = VideoWriterOptions::Codec::kFfv1;
  const std::unique_ptr<System> system = LoadSystem(options.model, options.system);
  options.prompts = prompts.Prompts(*system, &progress);
  if (options.policy.name == "teacache") {
    ChooseCoefficients(*system, flags.coeffs, &options.policy);
  }
  if (!flags.mag_ratios.empty()) options.policy.magcache.ratios = ReadMagRatios(flags.mag_ratios);
  for (const std::string& prompt : options.prompts) system->CheckPrompt(prompt);
  const std::string parts = plan.Text(
      *system, options.system, options.jobs, options.prompts.size() * options.seeds.size());
  fmt::print(plan.dry_run() ? stdout : stderr, "{}", parts);
  if (plan.dry_run()) return 0;
  const GenerateSummary summary = GenerateVideos(*system, options);
  for (const std::string& name : summary.shortened) fmt::print("shortened: {}\n", name);
  double computed = 0;
  double seconds = 0;
  for (const VideoTiming& timing : summary.videos) {
    computed +=
        static_cast<double>(std::count(timing.computed.begin(), timing.computed.end(), true));
    seconds += timing.transformer_seconds;
  }
  const double n = std::max<double>(1, static_cast<double>(summary.videos.size()));
  fmt::print(
      "{}: {} videos made, {} were there, {} in all; computed calls {:.1f} of {}, "
      "transformer {:.3f} s a video\n",
      options.out,
      summary.done,
      summary.resumed,
      summary.total,
      computed / n,
      system->info().calls,
      seconds / n);
  PrintScenes(summary);
  fmt::print("{}{}", SummaryText(summary, "videos"), LastLine(options.shard));
  return summary.complete() ? 0 : 1;
}

}  // namespace
}  // namespace teacache

int main(int argc, char** argv) {
  teacache::GenerateOptions options;
  teacache::PromptFlags prompts;
  teacache::CacheFlags flags;
  teacache::PlanFlag plan;
  std::string shard;
  CLI::App app(
      "Generates videos into a run folder: videos/{prompt}-{seed}.mp4, run.json, timing.jsonl. "
      "Running again goes on where a run was stopped.",
      "generate-videos");
  teacache::AddSystemFlags(&app, &options.model, &options.system);
  teacache::AddPromptFlags(&app, &prompts);
  teacache::AddCacheFlags(&app, &options.policy, &flags);
  teacache::AddJobFlags(&app, &options.jobs, &options.threads, &shard);
  app.add_option("--out", options.out, "run folder to fill or go on with")->required();
  app.add_flag(
      "--lossless", flags.lossless, "FFV1 in .mkv instead of H.264 (crf 23, as imageio) in .mp4");
  app.add_flag("--record", options.record, "write trace.jsonl too");
  plan.Add(&app);
  return teacache::RunProgram(&app, argc, argv, [&] {
    options.seeds = prompts.Seeds();
    options.shard = teacache::ChooseShard(shard);
    options.argv = teacache::PortableArguments(argc, argv);
    return teacache::Generate(options, prompts, flags, plan);
  });
}
