// vbench-score: VBench's dimensions, and the totals of the paper's table.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "datasets/base/error.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/program.h"
#include "metrics/vbench/aggregate_command.h"
#include "metrics/vbench/networks/network_files.h"
#include "metrics/vbench/networks/setup.h"
#include "metrics/vbench/score_command.h"

namespace {

constexpr const char* kDescription =
    "VBench scores of generated videos, in each dimension 0 to 1 and higher is better. Videos are "
    "named \"{prompt}-{0 to 4}.mp4\" after the prompts of VBench_full_info.json, or anything with "
    "--custom. temporal_flickering needs nothing else; the other dimensions need networks that are "
    "exported once (docs/vbench-export.md) or the answers of a detector (--describe says what). "
    "Exit code: 0, 1 when a video was not scored or is missing, 2 for mistakes in the call, 3 when a "
    "limit of --require is not kept.";

struct Flags {
  teacache::VbenchScoreCommand score;
  teacache::VbenchSetup setup;
  std::string shard;
  bool describe = false;
  std::vector<std::string> require;
  teacache::VbenchAggregateCommand aggregate;
};

void AddInputFlags(CLI::App* app, Flags* flags) {
  auto& evaluate = flags->score.evaluate;
  app->add_option("--videos", evaluate.videos, "Folder of videos, or of folders of PNG or JPEG");
  app->add_option(
      "--full-info", evaluate.full_info, "VBench_full_info.json: the prompts and what each is for");
  app->add_flag("--custom", evaluate.custom, "Own prompts: every video for every dimension");
  app->add_option("--prompt-file",
                  evaluate.prompt_file,
                  "With --custom: JSON {\"file name\": \"prompt\"}; default: from the file names");
  app->add_option("--samples", evaluate.samples, "Videos per prompt of the suite")
      ->capture_default_str();
  app->add_flag("--recursive", evaluate.recursive, "Search folders in folders");
  app->add_option("--dimensions",
                  flags->setup.dimensions,
                  "Any of VBench's 16, with commas; default: all that can be computed");
  app->add_option("--networks", flags->setup.networks, "Folder of exported networks");
  app->add_option("--network",
                  flags->setup.network,
                  "NAME=FILE: a network with another file name; may be given several times");
  app->add_option(
      "--detections",
      flags->setup.detections,
      "JSON of what a detector, captioner or classifier saw; may be given several times");
}

void AddRunFlags(CLI::App* app, Flags* flags) {
  auto& evaluate = flags->score.evaluate;
  app->add_option(
      "--out",
      flags->score.out,
      "Folder for results.json, per_video.csv and VBench's own files; also to go on after "
      "an interruption");
  app->add_flag(
      "--allow-missing", flags->score.allow_missing, "Missing videos do not change the exit code");
  app->add_option("--require", flags->require, teacache::kRequireHelp)->allow_extra_args(false);
  app->add_option("--device", flags->setup.device, "Where the networks run: cpu, cuda or cuda:N")
      ->capture_default_str();
  app->add_option("--batch", evaluate.batch, "Frames that a feature network gets at a time")
      ->capture_default_str();
  app->add_option("--jobs", evaluate.jobs, "Videos at the same time; 0 = one per processor")
      ->capture_default_str();
  app->add_option(
      "--shard",
      flags->shard,
      "i/n: score only this part, into results.part-i-of-n.json (see --merge); 0/1 = everything; "
      "default: from Slurm arrays, torchrun or MPI");
  app->add_option(
      "--merge", flags->score.merge, "Join the results of all parts: their folder or each file");
  app->add_flag("--allow-missing-parts",
                flags->score.allow_missing_parts,
                "With --merge: join the parts that are given; the result is marked as partial");
  teacache::AddChoice(app,
                      "--decoder",
                      &evaluate.reader.decoder,
                      teacache::kVideoDecoders,
                      "native (every coded frame) or imageio (constant frame rate)");
  app->add_option("--bootstrap",
                  evaluate.pooling.bootstrap_samples,
                  "Resamplings for the 95 % intervals; 0 = none")
      ->capture_default_str();
  app->add_option("--seed", evaluate.pooling.seed, "Seed of the resampling")->capture_default_str();
  teacache::AddJsonFlag(app, &flags->score.json);
  teacache::AddOverwriteFlag(app, &flags->score.owner);
  app->add_flag("--describe",
                flags->describe,
                "Print how each of --dimensions is computed and what it needs, and stop");
}

CLI::App* AddAggregate(CLI::App* app, Flags* flags) {
  CLI::App* sub = app->add_subcommand(
      "aggregate",
      "Quality, Semantic and Total from *_eval_results.json files, of this program or of VBench "
      "itself");
  sub->add_option("--scores",
                  flags->aggregate.scores,
                  "Folder of *_eval_results.json files; may be given several times");
  teacache::AddChoice(sub,
                      "--compat",
                      &flags->aggregate.compat,
                      teacache::kVbenchCompats,
                      "teacache: round, check and write as TeaCache's cal_vbench.py; vbench: as "
                      "VBench's script, where a missing dimension counts 0");
  sub->add_flag("--partial",
                flags->aggregate.partial,
                "Totals over the dimensions that are there, marked as partial");
  sub->add_option("--out",
                  flags->aggregate.out,
                  "Folder for the totals; default with --compat teacache: that of the scores");
  teacache::AddJsonFlag(sub, &flags->aggregate.json);
  teacache::AddOverwriteFlag(sub, &flags->aggregate.owner);
  return sub;
}

int Score(Flags* flags) {
  const teacache::InterruptGuard interrupt;
  flags->score.requirements = teacache::ParseRequirements(flags->require);
  teacache::VbenchScoreOutcome outcome;
  {
    teacache::ProgressPrinter progress;
    teacache::VbenchOptions& evaluate = flags->score.evaluate;
    evaluate.progress = &progress;
    if (flags->score.merge.empty()) {
      evaluate.Validate();
      evaluate.shard = teacache::ChooseShard(flags->shard);
      for (const std::string& file : flags->setup.detections) {
        flags->score.other_inputs.emplace_back("--detections", file);
      }
      for (const auto& [name, file] :
           teacache::FindNetworkFiles(flags->setup.networks, flags->setup.network)) {
        flags->score.other_inputs.emplace_back("--networks", file);
      }
      teacache::SetUpVbench(flags->setup, &evaluate);
    }
    outcome = teacache::RunVbenchScore(flags->score);
  }
  std::cout << outcome.text;
  std::cerr << outcome.breaches;
  return outcome.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kDescription, "vbench-score");
  Flags flags;
  AddInputFlags(&app, &flags);
  AddRunFlags(&app, &flags);
  const CLI::App* aggregate = AddAggregate(&app, &flags);
  app.require_subcommand(0, 1);
  return teacache::RunProgram(&app, argc, argv, [&] {
    if (aggregate->parsed()) {
      std::cout << teacache::RunVbenchAggregate(flags.aggregate);
      return 0;
    }
    if (flags.describe) {
      std::cout << teacache::DescribeVbench(teacache::AskedDimensions(flags.setup));
      return 0;
    }
    return Score(&flags);
  });
}
