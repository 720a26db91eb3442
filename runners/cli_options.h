#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "calib/rules/policy_options.h"
#include "calib/rules/teacache_mode.h"
#include "datasets/base/error.h"
#include "datasets/base/outputs.h"
#include "datasets/base/program.h"
#include "datasets/prompts.h"
#include "runners/plan.h"
#include "runners/systems/system_list.h"

namespace teacache {

// Flags that record-diffs, generate-videos and sweep-report share. For main functions only.

inline constexpr const char* kPromptsHelp =
    "file of prompts: one per line, a JSON list, or VBench_full_info.json";

// Prompts of a file; warns when VBench's list has some twice.
inline std::vector<std::string> ReadPromptsAndWarn(const std::string& file,
                                                   ProgressSink* progress) {
  PromptList list = ReadPromptList(file);
  for (const std::string& prompt : list.repeated) {
    progress->Warn(fmt::format("{}: \"{}\" appears twice and is used once", file, prompt));
  }
  return std::move(list.prompts);
}

inline void AddDeviceFlags(CLI::App* app, SystemOptions* system) {
  app->add_option("--device", system->device, "cpu, cuda or cuda:N")->capture_default_str();
  app->add_option("--dtype",
                  system->dtype,
                  "float32, bfloat16 or float16; default: the published one, float32 on the CPU");
}

// Where the text encoder is. For systems of published checkpoints.
inline void AddTextFlags(CLI::App* app, SystemOptions* system) {
  const std::string group = "Published checkpoints";
  app->add_option("--text-encoder",
                  system->text_encoder,
                  "folder of the T5 encoder; default: by its published name in --weights")
      ->group(group);
  app->add_option("--tokenizer",
                  system->tokenizer,
                  "spiece.model or its folder; default: beside the encoder or in --weights")
      ->group(group);
  app->add_option("--aesthetic-score",
                  system->aesthetic_score,
                  "appended to every prompt (open-sora); default 6.5, negative = nothing")
      ->group(group);
  app->add_option("--motion-score", system->motion_score, "the same; default: nothing")
      ->group(group);
  app->add_option(
         "--camera-motion", system->camera_motion, "the same, like 'pan right'; default: nothing")
      ->group(group);
}

// Parts and sizes of systems of published checkpoints.
inline void AddCheckpointFlags(CLI::App* app, SystemOptions* system) {
  const std::string group = "Published checkpoints";
  app->add_option("--transformer",
                  system->transformer,
                  "folder or file of the transformer; default: by its published name in --weights")
      ->group(group);
  app->add_option("--vae", system->vae, "the same for the decoder")->group(group);
  AddTextFlags(app, system);
  app->add_option("--prompt-embeddings",
                  system->prompt_embeddings,
                  "file of encode-prompts: the text encoder is not needed then")
      ->group(group);
  app->add_flag("--offload",
                system->offload,
                "text encoder, transformer and decoder take turns on the device")
      ->group(group);
  app->add_option("--frames", system->frames, "frames of a video; 0 = the system's own")
      ->group(group);
  app->add_option("--width", system->width, "pixels; 0 = the system's own")->group(group);
  app->add_option("--height", system->height, "pixels; 0 = the system's own")->group(group);
  app->add_option("--resolution", system->resolution, "144p to 720p (open-sora)")->group(group);
  app->add_option("--aspect-ratio", system->aspect_ratio, "like 9:16 (open-sora)")->group(group);
}

inline void AddTeaCacheModeFlag(CLI::App* app, TeaCacheMode* mode) {
  AddChoice(app,
            "--teacache-mode",
            mode,
            kTeaCacheModes,
            "teacache: strict = change measured exactly, first and last call always computed; "
            "reference = as the published code, with its rounding to the model's dtype and its "
            "comparison of timesteps, which may leave the last call to the threshold");
}

// No output may be one of the system's files.
inline void AddSystemInputs(const SystemOptions& system, OutputCheck* check) {
  check->Reads("--weights", system.weights);
  check->Reads("--transformer", system.transformer);
  check->Reads("--vae", system.vae);
  check->Reads("--text-encoder", system.text_encoder);
  check->Reads("--tokenizer", system.tokenizer);
  check->Reads("--prompt-embeddings", system.prompt_embeddings);
}

inline void AddSystemFlags(CLI::App* app, std::string* model, SystemOptions* system) {
  app->add_option("--model", *model, "system to run:\n" + DescribeSystems())->capture_default_str();
  app->add_option(
      "--weights", system->weights, "folder of weights; shapes has its own and needs none");
  app->add_option("--steps", system->steps, "denoising steps; 0 = the system's own")
      ->capture_default_str();
  app->add_option("--guidance",
                  system->guidance,
                  "classifier-free guidance scale, 1 = none; negative = the system's own")
      ->capture_default_str();
  AddDeviceFlags(app, system);
  AddCheckpointFlags(app, system);
}

// --prompts FILE, --prompt TEXT... or --demo N, and --seeds.
struct PromptFlags {
  std::string file;
  std::vector<std::string> texts;
  int demo = 0;
  std::string seeds = "0";

  std::vector<std::string> Prompts(const System& system, ProgressSink* progress) const {
    if ((file.empty() ? 0 : 1) + (texts.empty() ? 0 : 1) + (demo > 0 ? 1 : 0) != 1) {
      ThrowUserError("--prompts", "give one of --prompts FILE, --prompt TEXT and --demo N");
    }
    if (!file.empty()) return ReadPromptsAndWarn(file, progress);
    if (!texts.empty()) return texts;
    std::vector<std::string> prompts = system.DemoPrompts(demo);
    if (prompts.empty())
      ThrowUserError("--demo", "{} has no prompts of its own", system.info().name);
    return prompts;
  }
  std::vector<int64_t> Seeds() const { return ParseSeeds(seeds); }
};

inline void AddPromptFlags(CLI::App* app, PromptFlags* flags) {
  app->add_option("--prompts", flags->file, kPromptsHelp);
  app->add_option("--prompt", flags->texts, "a prompt; may be given several times");
  app->add_option(
      "--demo", flags->demo, "number of demonstration prompts of the system, always the same ones");
  app->add_option("--seeds", flags->seeds, "seeds of the starting noise, like 0-4 or 0,7")
      ->capture_default_str();
}

inline void AddJobFlags(CLI::App* app, int* jobs, int* threads, std::string* shard) {
  app->add_option("--jobs", *jobs, "videos made at the same time")->capture_default_str();
  app->add_option("--threads",
                  *threads,
                  "threads within one video; the last bits of results may depend on it")
      ->capture_default_str();
  app->add_option(
      "--shard", *shard, "i/n: do only part i of n; default from Slurm, torchrun or MPI variables");
}

// --dry-run, and what a run of a large system says before anything is loaded.
class PlanFlag {
 public:
  void Add(CLI::App* app) {
    app->add_flag("--dry-run",
                  dry_run_,
                  "check weights and options, print what each part takes, load nothing");
  }

  // Whether that is all that was asked for: the plan is the result then, and a note otherwise.
  bool dry_run() const { return dry_run_; }
  // "" for a system too small to have a plan, unless it was asked for.
  std::string Text(const System& system,
                   const SystemOptions& options,
                   int jobs,
                   size_t videos) const {
    if (options.offload && jobs > 1) {
      ThrowUserError("--offload", "needs --jobs 1, since parts take turns, but has {}", jobs);
    }
    if (!dry_run_ && system.Plan().empty()) return "";
    return DescribePlan(system, options.offload, static_cast<int64_t>(videos));
  }

 private:
  bool dry_run_ = false;
};

}  // namespace teacache
