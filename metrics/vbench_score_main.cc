// vbench-score: VBench's dimensions, and the totals of the paper's table.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "datasets/program.h"
#include "datasets/version.h"
#include "metrics/vbench/aggregate_command.h"

namespace {

constexpr const char* kDescription =
    "VBench scores of generated videos. Exit code: 0, 1 when not everything was scored, 2 for "
    "mistakes in the call.";

struct Flags {
  teacache::VbenchAggregateCommand aggregate;
  std::string compat;
};

CLI::App* AddAggregate(CLI::App* app, Flags* flags) {
  CLI::App* sub = app->add_subcommand(
      "aggregate",
      "Quality, Semantic and Total from *_eval_results.json files, of this program or of VBench "
      "itself");
  sub->add_option("--scores", flags->aggregate.scores, "Folder of the *_eval_results.json files");
  sub->add_option("--compat",
                  flags->compat,
                  "teacache: round, check and write as TeaCache's cal_vbench.py; vbench: as "
                  "VBench's script, where a missing dimension counts 0");
  sub->add_flag("--partial",
                flags->aggregate.partial,
                "Totals over the dimensions that are there, marked as partial");
  sub->add_option("--out",
                  flags->aggregate.out,
                  "Folder for the totals; default with --compat teacache: that of the scores");
  sub->add_flag("--json", flags->aggregate.json, "Print JSON instead of a table");
  return sub;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kDescription, "vbench-score");
  app.set_version_flag("--version", teacache::kVersion);
  Flags flags;
  const CLI::App* aggregate = AddAggregate(&app, &flags);
  app.require_subcommand(1);
  return teacache::RunProgram(&app, argc, argv, [&] {
    if (aggregate->parsed()) {
      flags.aggregate.compat = teacache::ParseVbenchCompat(flags.compat);
      std::cout << teacache::RunVbenchAggregate(flags.aggregate);
    }
    return 0;
  });
}
