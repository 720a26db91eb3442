#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "datasets/error.h"
#include "datasets/program.h"
#include "datasets/prompts.h"
#include "runners/policy_options.h"
#include "runners/system.h"

namespace teacache {

// Flags that record-diffs, generate-videos and sweep-report share. For main functions only.

inline void AddSystemFlags(CLI::App* app, std::string* model, SystemOptions* system) {
  app->add_option("--model", *model, "system to run:\n" + DescribeSystems())->capture_default_str();
  app->add_option("--weights", system->weights, "folder of weights instead of the shipped ones");
  app->add_option("--steps", system->steps, "denoising steps; 0 = the system's own")
      ->capture_default_str();
  app->add_option("--guidance",
                  system->guidance,
                  "classifier-free guidance scale, 1 = none; negative = the system's own")
      ->capture_default_str();
  app->add_option("--device", system->device, "cpu, cuda or cuda:N")->capture_default_str();
  app->add_option("--dtype",
                  system->dtype,
                  "of the transformer: float32, bfloat16, float16; default the system's own");
}

// --prompts FILE, --prompt TEXT... or --demo N, and --seeds.
struct PromptFlags {
  std::string file;
  std::vector<std::string> texts;
  int demo = 0;
  std::string seeds = "0";

  std::vector<std::string> Prompts(const System& system) const {
    if ((file.empty() ? 0 : 1) + (texts.empty() ? 0 : 1) + (demo > 0 ? 1 : 0) != 1) {
      ThrowUserError("--prompts", "give one of --prompts FILE, --prompt TEXT and --demo N");
    }
    if (!file.empty()) return ReadPrompts(file);
    if (!texts.empty()) return texts;
    std::vector<std::string> prompts = system.DemoPrompts(demo);
    if (prompts.empty())
      ThrowUserError("--demo", "{} has no prompts of its own", system.info().name);
    return prompts;
  }
  std::vector<int64_t> Seeds() const { return ParseSeeds(seeds); }
};

inline void AddPromptFlags(CLI::App* app, PromptFlags* flags) {
  app->add_option("--prompts", flags->file, "file of prompts: one per line, or a JSON list");
  app->add_option("--prompt", flags->texts, "a prompt; may be given several times");
  app->add_option(
      "--demo", flags->demo, "so many demonstration prompts of the system, always the same");
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

}  // namespace teacache
