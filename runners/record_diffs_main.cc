// record-diffs: full runs of a system into a trace.

#include "datasets/base/interrupt.h"
#include "datasets/work/parts.h"
#include "runners/cli_options.h"
#include "runners/record_diffs.h"
#include "runners/systems/system_list.h"

int main(int argc, char** argv) {
  teacache::RecordOptions options;
  teacache::PromptFlags prompts;
  teacache::PlanFlag plan;
  std::string shard;
  CLI::App app(
      "Records full (uncached) runs: for every transformer call the sums of the relative L1 change "
      "of "
      "the modulated input, of the blocks' residual and of their output. fit-coeffs fits them. "
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
