// eval-metrics: how close generated videos are to their ground truth.
#include <CLI/CLI.hpp>
#include <sstream>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/interrupt.h"
#include "datasets/base/program.h"
#include "datasets/base/progress.h"
#include "datasets/tensors/device_name.h"
#include "metrics/metric_list.h"
#include "metrics/networks_module.h"
#include "metrics/pairs/eval_command.h"

namespace {

constexpr const char* kDescription =
    "Scores videos against their ground truth (cached against uncached runs): PSNR in dB (higher "
    "is better, inf = identical), SSIM (-1 to 1, 1 = identical), MS-SSIM (0 to 1, 1 = identical; "
    "pictures of 176x176 or larger), LPIPS (0 = identical, lower is better). Videos are paired by "
    "file name; folders of PNG or JPEG frames and .safetensors files ([T, 3, H, W], uint8 or 0 to "
    "1) count as videos. Exit code: 0, 1 when a video could not be "
    "scored or has no partner, 2 for mistakes in the call, 3 when a limit of --require is not kept.";

// What the command line says, before it is checked.
struct Flags {
  teacache::EvalCommand command;
  std::string metrics;
  teacache::MetricOptions metric;
  std::string items = "videos";
  std::vector<std::string> require;
  std::string compat, compat_order, shard;
  std::string device = "cpu";
  bool tf32 = false;
};

void AddFlags(CLI::App* app, Flags* flags) {
  auto& evaluate = flags->command.evaluate;
  evaluate.jobs = 0;
  app->add_option("--gt",
                  evaluate.gt,
                  "Ground truth: a folder, a run folder, a video, or a .txt list of videos");
  app->add_option("--gen", evaluate.gens, "Generated videos, the same; may be given several times");
  app->add_option(
      "--baseline",
      flags->command.baseline,
      "A second uncached run: its scores are the noise floor, which the others are held against");
  app->add_option("--compare",
                  flags->command.compare,
                  "Another method: paired differences to it, with a 95 % interval");
  app->add_option("--metrics",
                  flags->metrics,
                  "Any of " + teacache::MetricNames() +
                      "; default: " + teacache::MetricNames(/*by_default_only=*/true) +
                      ", of these what is installed");
  app->add_option("--ssim-variant",
                  flags->metric.ssim_variant,
                  "wang-rgb (TeaCache's), wang-y, skimage7, reflect, zeropad or ffmpeg")
      ->capture_default_str();
  app->add_option("--lpips-net", flags->metric.lpips_net, "alex (TeaCache's), squeeze or vgg")
      ->capture_default_str();
  app->add_option("--spatial",
                  flags->metric.lpips_spatial,
                  "LPIPS: mean of the map scaled to the picture (true, TeaCache's) or of the maps")
      ->capture_default_str();
  app->add_option("--weights",
                  flags->metric.weights,
                  "Folder with the LPIPS weights; default: TEACACHE_WEIGHTS or the cache folder");
  app->add_option(
      "--psnr-cap",
      flags->metric.psnr_cap,
      "Count frames above this many dB, identical ones included, as this; default: none");
  teacache::AddChoice(
      app,
      "--size",
      &evaluate.score.size,
      teacache::kSizePolicies,
      "Pairs of different sizes: strict (an error), resize-gen, resize-gt, crop, or "
      "batch-eval (as TeaCache's batch_eval.py)");
  teacache::AddChoice(
      app,
      "--length",
      &evaluate.score.length,
      teacache::kLengthPolicies,
      "Pairs of different lengths: strict (an error) or min (frames that both have)");
  app->add_flag("--allow-missing",
                flags->command.allow_missing,
                "Videos without a partner do not change the exit code");
  app->add_option(
         "--items",
         flags->items,
         "videos (a folder of pictures is one video) or pictures (every picture of a folder "
         "is an item, for image models)")
      ->capture_default_str();
  app->add_option("--require", flags->require, teacache::kRequireHelp)->allow_extra_args(false);
  app->add_flag("--recursive", evaluate.recursive, "Search folders in folders");
  teacache::AddChoice(app,
                      "--decoder",
                      &evaluate.reader.decoder,
                      teacache::kVideoDecoders,
                      "native (every coded frame, colour tags respected) or imageio (as imageio's "
                      "ffmpeg pipe: constant frame rate)");
  app->add_option("--compat",
                  flags->compat,
                  "teacache: pair, decode, cap and average as TeaCache's eval.py, print its line "
                  "and write it to "
                  "a .txt file named after the --gen folder, in the current folder");
  app->add_option("--compat-order",
                  flags->compat_order,
                  "A text file with the names in the order in which eval.py listed them");
  app->add_option("--out", flags->command.out, "Write results.json here");
  app->add_option(
      "--csv",
      flags->command.csv,
      "Write the table of videos here; default: beside --out, as results.per_video.csv");
  app->add_flag("--per-frame",
                evaluate.score.per_frame,
                "Keep the values of every frame in --out, and as a long table beside it "
                "(results.per_frame.csv)");
  app->add_option("--bootstrap",
                  evaluate.pooling.bootstrap_samples,
                  "Resamplings for the 95 % intervals; 0 = none")
      ->capture_default_str();
  app->add_option("--seed", evaluate.pooling.seed, "Seed of the resampling")->capture_default_str();
  app->add_option(
         "--jobs",
         evaluate.jobs,
         "Videos at the same time, each about 75 MB more at 1080p; 0 = one per processor, but no "
         "more than keep memory below 300 MB")
      ->capture_default_str();
  app->add_option(
      "--shard",
      flags->shard,
      "i/n: score only this part, into results.part-i-of-n.json (see --merge); 0/1 = everything; "
      "default: from Slurm arrays, torchrun or MPI");
  app->add_option(
      "--merge",
      flags->command.merge,
      "Join the results of all parts: the name of the whole (results.json), its folder, or each "
      "file");
  app->add_flag("--allow-missing-parts",
                flags->command.allow_missing_parts,
                "With --merge: join the parts that are given; the result is marked as partial");
  app->add_option("--device",
                  flags->device,
                  "Where frames are compared: cpu, cuda or cuda:N (in builds with CUDA)")
      ->capture_default_str();
  app->add_flag(
      "--tf32", flags->tf32, "LPIPS on a GPU with TensorFloat-32: faster, and up to 5e-4 away");
  teacache::AddJsonFlag(app, &flags->command.json);
  teacache::AddOverwriteFlag(app, &flags->command.owner);
}

std::vector<std::string> ReadOrder(const std::string& file) {
  std::vector<std::string> names;
  std::istringstream lines(teacache::ReadFile(file));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.ends_with(".mp4")) line.resize(line.size() - 4);
    if (!line.empty()) names.push_back(line);
  }
  return names;
}

// Which metrics, and where they are computed.
void ChooseMetrics(const Flags& flags, teacache::EvalCommand* command) {
  teacache::EvaluateOptions* options = &command->evaluate;
  teacache::ScoreOptions& score = options->score;
  score.metrics = teacache::ChooseMetrics(flags.metrics, flags.metric, &options->notes);
  for (const auto& metric : score.metrics) {
    for (const std::string& file : metric->Files()) {
      command->other_inputs.emplace_back("--weights", file);
    }
  }
  teacache::CheckDeviceName(flags.device);
  if (flags.device == "cpu") return;
  score.scorer = teacache::LoadNetworksModule("The comparison on a GPU")
                     .MakeScorer(flags.device, score.metrics, flags.tf32);
}

teacache::EvalCommand ToCommand(const Flags& flags) {
  teacache::EvalCommand command = flags.command;
  teacache::EvaluateOptions& evaluate = command.evaluate;
  command.requirements = teacache::ParseRequirements(flags.require);
  if (!command.merge.empty()) return command;
  evaluate.Validate();
  evaluate.items = teacache::ParseItems(flags.items);
  evaluate.shard = teacache::ChooseShard(flags.shard);
  if (!flags.compat.empty() && flags.compat != "teacache") {
    teacache::ThrowUserError("--compat", "must be teacache but is \"{}\"", flags.compat);
  }
  evaluate.teacache = !flags.compat.empty();
  if (evaluate.teacache) command.line_folder = ".";
  command.other_inputs.emplace_back("--compat-order", flags.compat_order);
  if (!flags.compat_order.empty()) evaluate.teacache_order = ReadOrder(flags.compat_order);
  if (!command.out.empty() && teacache::PlaceOf(command.out) != teacache::OutputPlace::kStream) {
    evaluate.journal = command.out + ".journal";
  }
  ChooseMetrics(flags, &command);
  return command;
}

int Evaluate(Flags flags) {
  const teacache::InterruptGuard interrupt;
  teacache::EvalOutcome outcome;
  {
    teacache::ProgressPrinter progress;
    flags.command.evaluate.progress = &progress;
    outcome = teacache::RunEvalCommand(ToCommand(flags));
  }
  fmt::print("{}", outcome.text);
  fmt::print(stderr, "{}", outcome.breaches);
  return outcome.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kDescription, "eval-metrics");
  Flags flags;
  AddFlags(&app, &flags);
  return teacache::RunProgram(&app, argc, argv, [&] { return Evaluate(flags); });
}
