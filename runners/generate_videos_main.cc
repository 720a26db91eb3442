// generate-videos: prompts in, videos out, uncached or with a cache policy.

#include <fstream>
#include <optional>
#include <tuple>
#include <variant>

#include "calib/replay/replay.h"
#include "datasets/base/files.h"
#include "datasets/base/interrupt.h"
#include "datasets/coefficients.h"
#include "datasets/work/parts.h"
#include "runners/cli_options.h"
#include "runners/generate_videos.h"
#include "runners/systems/system_list.h"
#include "runners/use_coefficients.h"
#include "runners/use_plan.h"

namespace teacache {
namespace {

// One of each policy, so that every flag has its default in one place.
template <typename Options>
struct AllPolicies;
template <typename... Policies>
struct AllPolicies<std::variant<Policies...>> {
  using Tuple = std::tuple<Policies...>;
};

struct CacheFlags {
  std::string cache = "none";
  AllPolicies<PolicyOptions>::Tuple policies;
  std::optional<double> threshold;
  std::string coeffs;
  std::string mag_ratios;
  std::string plan;
  std::optional<int> forecast;
  bool lossless = false;
  bool force_coeffs = false;
  std::string output = "video";

  // The policy of --cache with its flags; files are not read yet. Throws UserError.
  PolicyOptions Chosen() const {
    PolicyOptions chosen = DefaultPolicy(cache);
    const auto choose = [&](const auto& policy) {
      if (policy.kName == cache) chosen = policy;
    };
    std::apply([&](const auto&... policy) { (choose(policy), ...); }, policies);
    const auto set_threshold = [&](auto& policy) {
      if constexpr (requires { policy.threshold; }) {
        if (threshold) policy.threshold = *threshold;
      }
    };
    std::visit(set_threshold, chosen);
    return chosen;
  }
};

// Flags of one policy stand in a group of the help.
constexpr std::string_view kGroupOfPolicy = "With --cache ";
std::string GroupOf(std::string_view policy) { return fmt::format("{}{}", kGroupOfPolicy, policy); }

template <typename Policy>
void AddFlagsOf(Policy* policy, CLI::App* app) {
  const size_t before = app->get_options().size();
  policy->AddFlags(app);
  const std::vector<CLI::Option*> options = app->get_options();
  for (size_t i = before; i < options.size(); ++i) options[i]->group(GroupOf(Policy::kName));
}

void AddCacheFlags(CLI::App* app, CacheFlags* flags) {
  app->add_option("--cache", flags->cache, PolicyNames())->capture_default_str();
  app->add_option(
         "--threshold",
         flags->threshold,
         "teacache: skip while the accumulated rescaled change stays below this; magcache: "
         "while the accumulated error of the ratios does; >= 0, 0 = never skip; fbcache: skip "
         "while the first block's residual has changed by at most this part; easycache: skip while "
         "the accumulated foreseen change of the output stays below this")
      ->default_str("0.1, fbcache and easycache 0.05");
  app->add_option("--coeffs",
                  flags->coeffs,
                  "teacache: coefficients file of fit-coeffs, its threshold unless --threshold is "
                  "given; default: the published ones")
      ->group(GroupOf(TeaCache::kName));
  app->add_flag("--force-coeffs",
                flags->force_coeffs,
                "teacache: use coefficients of another model or signal")
      ->group(GroupOf(TeaCache::kName));
  AddTeaCacheModeFlag(app, &std::get<TeaCache>(flags->policies).mode);
  app->get_option("--teacache-mode")->group(GroupOf(TeaCache::kName));
  app->add_option("--mag-ratios",
                  flags->mag_ratios,
                  "magcache: ratios of the residual's size (fit-coeffs --emit magcache)")
      ->group(GroupOf(MagCache::kName));
  app->add_option("--plan",
                  flags->plan,
                  "schedule: file of fit-coeffs plan, its schedule of --computed-calls calls")
      ->group(GroupOf(PlannedMask::kName));
  std::apply([&](auto&... policy) { (AddFlagsOf(&policy, app), ...); }, flags->policies);
  app->get_option("--computed-calls")->group("Options");  // of uniform and schedule
  app->add_option("--forecast",
                  flags->forecast,
                  "What a skipped call gets: 0 the last residual, 1 or 2 a linear or quadratic "
                  "extrapolation of the last 2 or 3 in the scheduler's time")
      ->default_str("0, schedule as planned");
}

// A flag of another policy than --cache's would do nothing. Throws UserError.
void RefuseFlagsOfOthers(const CLI::App& app, const CacheFlags& flags) {
  const auto refuse = [&](const std::string& flag, std::string_view policies) {
    ThrowUserError(flag, "goes with --cache {} but --cache is \"{}\"", policies, flags.cache);
  };
  for (const CLI::Option* option : app.get_options()) {
    const std::string group = option->get_group();
    if (option->count() == 0 || !group.starts_with(kGroupOfPolicy)) continue;
    if (group != GroupOf(flags.cache)) {
      refuse(option->get_name(), std::string_view(group).substr(kGroupOfPolicy.size()));
    }
  }
  const bool has_threshold = std::visit(
      [](const auto& policy) {
        return requires { policy.threshold; };
      },
      DefaultPolicy(flags.cache));
  if (flags.threshold && !has_threshold) {
    refuse("--threshold", "teacache, magcache, fbcache and easycache");
  }
  const bool counted = flags.cache == UniformSkipping::kName || flags.cache == PlannedMask::kName;
  if (app.count("--computed-calls") > 0 && !counted) {
    refuse("--computed-calls", "uniform and schedule");
  }
}

void ChooseCoefficients(const System& system, const CacheFlags& flags, TeaCache* teacache) {
  if (!flags.coeffs.empty()) {
    const UsedCoefficients used = UseCoefficients(
        ReadCoefficients(flags.coeffs), flags.coeffs, system.info(), flags.force_coeffs);
    for (const std::string& warning : used.warnings) fmt::print(stderr, "warning: {}\n", warning);
    teacache->polynomial = Polynomial(used.set.coefficients);
    teacache->range = {used.set.x_min, used.set.x_max};
    if (used.set.threshold && !flags.threshold) teacache->threshold = *used.set.threshold;
    return;
  }
  if (const auto published = system.PublishedCoefficients()) {
    teacache->polynomial = *published;
    return;
  }
  ThrowUserError("--coeffs",
                 "no coefficients are published for {}; give a file (record-diffs, then "
                 "fit-coeffs)",
                 system.info().name);
}

// Of --plan, also the forecast that it was planned with.
void ChooseSchedule(const System& system,
                    const CacheFlags& flags,
                    PlannedMask* schedule,
                    int* forecast) {
  if (flags.plan.empty()) return;  // refused when the policy is made
  const int computed = std::get<UniformSkipping>(flags.policies).computed_calls;
  const PlannedSchedule planned = UsePlan(flags.plan, computed, system.info());
  schedule->mask = ScheduleText(planned.computed);
  *forecast = planned.forecast;
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
             const OutputOwner& owner,
             const PlanFlag& plan) {
  const InterruptGuard guard;
  ProgressPrinter progress;
  options.progress = &progress;
  OutputCheck check;
  check.OwnedBy(owner);
  AddSystemInputs(options.system, &check);
  check.Reads("--prompts", prompts.file);
  check.Reads("--coeffs", flags.coeffs);
  check.Reads("--mag-ratios", flags.mag_ratios);
  check.Reads("--plan", flags.plan);
  check.WritesFolder("--out", options.out);
  check.GrowsFile("--out", options.out + "/run.json");
  for (const char* name : {"timing.jsonl", "trace.jsonl"}) {
    check.GrowsFile("--out", PartPath(options.out + "/" + name, options.shard));
  }
  check.Run();
  options.policy = flags.Chosen();
  options.latents = flags.output == "latents";
  if (flags.lossless && options.latents) {
    ThrowUserError("--lossless", "is not for --output latents, which are written as they are");
  }
  if (flags.lossless) options.video.codec = VideoWriterOptions::Codec::kFfv1;
  const std::unique_ptr<System> system = LoadSystem(options.model, options.system);
  options.prompts = prompts.Prompts(*system, &progress);
  if (auto* teacache = std::get_if<TeaCache>(&options.policy)) {
    ChooseCoefficients(*system, flags, teacache);
    options.fitted_range = teacache->range;
  }
  if (auto* magcache = std::get_if<MagCache>(&options.policy);
      magcache && !flags.mag_ratios.empty()) {
    magcache->ratios = ReadMagRatios(flags.mag_ratios);
  }
  if (auto* schedule = std::get_if<PlannedMask>(&options.policy)) {
    ChooseSchedule(*system, flags, schedule, &options.forecast);
  }
  if (flags.forecast) options.forecast = *flags.forecast;
  for (const std::string& prompt : options.prompts) system->CheckPrompt(prompt);
  const std::string parts = plan.Text(
      *system, options.system, options.jobs, options.prompts.size() * options.seeds.size());
  fmt::print(plan.dry_run() ? stdout : stderr, "{}", parts);
  if (plan.dry_run()) return 0;
  // Throws before a folder is made.
  const auto policy = MakePolicy(options.policy, system->info().calls);
  CheckForecast(options.forecast, *policy, system->info().calls);
  MakeFolders(options.out);
  check.Begin();
  if (owner.overwrite) {
    // An empty journal says that the folder is ours: whatever else is in it is replaced.
    std::ofstream(PartPath(options.out + "/timing.jsonl", options.shard), std::ios::app);
  }
  const GenerateSummary summary = GenerateVideos(*system, options);
  for (const std::string& name : summary.shortened) fmt::print("shortened: {}\n", name);
  double computed = 0;
  double seconds = 0;
  int outside = 0;
  for (const VideoTiming& timing : summary.videos) {
    outside += timing.outside_range;
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
  if (outside > 0) {
    fmt::print("x of {} calls was outside the fitted range [{:.4g}, {:.4g}], where f is a guess\n",
               outside,
               options.fitted_range.lo,
               options.fitted_range.hi);
  }
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
  teacache::AddCacheFlags(&app, &flags);
  teacache::AddJobFlags(&app, &options.jobs, &options.threads, &shard);
  app.add_option(
         "--output", flags.output, "video, or latents: what the decoder would get, as .safetensors")
      ->check(CLI::IsMember({"video", "latents"}))
      ->capture_default_str();
  app.add_option("--out", options.out, "run folder to fill or go on with")->required();
  app.add_flag(
      "--lossless", flags.lossless, "FFV1 in .mkv instead of H.264 (crf 23, as imageio) in .mp4");
  app.add_flag("--record", options.record, "write trace.jsonl too");
  teacache::OutputOwner owner;
  teacache::AddOverwriteFlag(&app, &owner);
  plan.Add(&app);
  return teacache::RunProgram(&app, argc, argv, [&] {
    options.seeds = prompts.Seeds();
    options.shard = teacache::ChooseShard(shard);
    options.argv = teacache::PortableArguments(argc, argv);
    teacache::RefuseFlagsOfOthers(app, flags);
    return teacache::Generate(options, prompts, flags, owner, plan);
  });
}
