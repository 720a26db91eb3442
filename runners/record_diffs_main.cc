// record-diffs: full runs of a system into a trace.

#include "datasets/base/interrupt.h"
#include "datasets/work/parts.h"
#include "runners/cli_options.h"
#include "runners/record_costs.h"
#include "runners/record_diffs.h"
#include "runners/systems/system_list.h"

int main(int argc, char** argv) {
  teacache::RecordOptions options;
  teacache::PromptFlags prompts;
  teacache::PlanFlag plan;
  std::string shard;
  CLI::App app(
      "Records full (uncached) runs: for every transformer call the sums of the relative L1 change "
      "of the modulated input, of the blocks' residual and of their output. fit-coeffs fits them. "
      "With --costs: what skipping segments of calls costs, for fit-coeffs plan. "
      "Running again goes on where a run was stopped.",
      "record-diffs");
  teacache::AddSystemFlags(&app, &options.model, &options.system);
  teacache::AddPromptFlags(&app, &prompts);
  teacache::AddJobFlags(&app, &options.jobs, &options.threads, &shard);
  app.add_option("--out", options.out, "trace file to write or go on with (.jsonl)")->required();
  app.add_option("--lookback",
                 options.lookback,
                 "also changes of the residual against 2 ... K calls before; 0 = none")
      ->capture_default_str();
  int costs = 0;
  teacache::CostsOptions measured;
  auto* costs_flag = app.add_option(
      "--costs",
      costs,
      "Write instead of a trace what it costs to skip segments of up to K calls, as the error of "
      "the residual that would be put in, from one uncached run");
  app.add_option("--orders",
                 measured.extent.orders,
                 "Of --costs: orders of the forecasts that are put in (0 last residual, 1 linear, "
                 "2 quadratic); default 0,1,2, with --outcome 0")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->needs(costs_flag);
  app.add_flag("--outcome",
               measured.outcome,
               "Of --costs: the error of the final latent when only the segment is skipped, from "
               "the rest of a run for each")
      ->needs(costs_flag);
  teacache::OutputOwner owner;
  teacache::AddOverwriteFlag(&app, &owner);
  plan.Add(&app);
  return teacache::RunProgram(&app, argc, argv, [&] {
    const teacache::InterruptGuard guard;
    teacache::ProgressPrinter progress;
    options.progress = &progress;
    options.shard = teacache::ChooseShard(shard);
    teacache::OutputCheck check;
    teacache::AddSystemInputs(options.system, &check);
    check.Reads("--prompts", prompts.file);
    check.OwnedBy(owner);
    check.GrowsFile("--out", teacache::PartPath(options.out, options.shard));
    check.Run();
    const auto system = teacache::LoadSystem(options.model, options.system);
    options.prompts = prompts.Prompts(*system, &progress);
    options.seeds = prompts.Seeds();
    for (const std::string& prompt : options.prompts) system->CheckPrompt(prompt);
    const std::string parts = plan.Text(
        *system, options.system, options.jobs, options.prompts.size() * options.seeds.size());
    fmt::print(plan.dry_run() ? stdout : stderr, "{}", parts);
    if (plan.dry_run()) return 0;
    if (*costs_flag) {
      static_cast<teacache::PromptWork&>(measured) = options;
      measured.out = options.out;
      measured.extent.longest = costs;
      if (measured.outcome && !*app.get_option("--orders")) measured.extent.orders = {0};
      measured.extent.Check(system->info().calls);
      check.Begin();
      const teacache::CostsSummary summary = teacache::RecordCosts(*system, measured);
      const std::string unit = measured.outcome ? "pieces of runs" : "runs";
      fmt::print("{}: {} {} measured, {} were there, {} in all\n",
                 summary.path,
                 summary.done,
                 unit,
                 summary.resumed,
                 summary.total);
      fmt::print("{}{}", teacache::SummaryText(summary, unit), teacache::LastLine(options.shard));
      return summary.complete() ? 0 : 1;
    }
    check.Begin();
    const teacache::RecordSummary summary = teacache::RecordDiffs(*system, options);
    fmt::print("{}: {} runs recorded, {} were there, {} in all\n",
               summary.path,
               summary.done,
               summary.resumed,
               summary.total);
    fmt::print("{}{}", teacache::SummaryText(summary, "runs"), teacache::LastLine(options.shard));
    return summary.complete() ? 0 : 1;
  });
}
