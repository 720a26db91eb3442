#include "reports/sweep/sweep_plan.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/prompts.h"
#include "datasets/tensors/torch_threads.h"
#include "runners/generate_videos.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Choose(const System& system,
                                const std::vector<std::string>& given,
                                const char* flag,
                                std::vector<std::string> own) {
  if (!given.empty()) return given;
  if (own.empty()) {
    ThrowUserError(flag, "must be given: {} has no prompts of its own", system.info().name);
  }
  return own;
}

// Bytes of one video in the files that a sweep keeps of it.
int64_t BytesOf(const Video& video, const SweepOptions& options, double fps) {
  const std::string folder = UniqueTempPath((fs::temp_directory_path() / "teacache-plan").string());
  MakeFolders(folder);
  int64_t bytes = 0;
  VideoWriterOptions writer;
  writer.fps = fps;
  writer.crf = options.crf;
  try {
    WriteVideo(folder + "/a.mp4", video, writer);
    bytes += static_cast<int64_t>(fs::file_size(folder + "/a.mp4"));
    if (!options.lossy) {
      writer.codec = VideoWriterOptions::Codec::kFfv1;
      WriteVideo(folder + "/a.mkv", video, writer);
      bytes += static_cast<int64_t>(fs::file_size(folder + "/a.mkv"));
    }
  } catch (...) {
    fs::remove_all(folder);
    throw;
  }
  fs::remove_all(folder);
  return bytes;
}

// The system with as few steps as its scheduler makes sense of; nothing where it cannot change
// them.
std::unique_ptr<System> QuickSystem(const System& system) {
  constexpr int kFewest = 2;
  constexpr int kMost = 4;
  for (int steps = kFewest; steps <= std::min(kMost, system.info().steps); ++steps) {
    try {
      return system.WithSteps(steps);
    } catch (const UserError&) {
    }
  }
  return nullptr;
}

// One short run, so that the plan can say how long the long ones take.
void Measure(const System& system, const SweepOptions& options, SweepPlan* plan) {
  const SweepPrompts prompts = ChooseSweepPrompts(system, options);
  const std::unique_ptr<System> quick = QuickSystem(system);
  const System& measured = quick ? *quick : system;
  system.Prepare({prompts.test.front()}, options.progress);
  const TorchThreads threads(options.threads);  // as the sweep itself
  const auto policy = MakeNoCachePolicy();
  // The first run pays for lazy initialisation.
  if (quick) GenerateVideo(measured, *policy, prompts.test.front(), options.seeds.front());
  const GeneratedVideo made =
      GenerateVideo(measured, *policy, prompts.test.front(), options.seeds.front());
  const double per_call = made.transformer_seconds / std::max(1, measured.info().calls);
  plan->seconds_per_run = per_call * system.info().calls + made.decode_seconds;
  plan->bytes_per_video = BytesOf(made.video, options, system.info().fps);
  const int timed = plan->videos * options.timed_runs;
  const int uncached = timed / std::max(1, plan->settings);
  const int recorded = plan->fit_runs + plan->videos / std::max(1, plan->settings);
  plan->seconds_at_most = plan->seconds_per_run * (timed + recorded);
  // TeaCache's thresholds are spread from all calls to few.
  const double cached = 0.5 * per_call * system.info().calls + made.decode_seconds;
  plan->seconds = plan->seconds_per_run * (uncached + recorded) + cached * (timed - uncached);
  plan->bytes = plan->bytes_per_video * plan->videos;
}

}  // namespace

SweepPrompts ChooseSweepPrompts(const System& system, const SweepOptions& options) {
  const std::vector<std::string> demo =
      system.DemoPrompts(options.demo_fit_prompts + options.demo_test_prompts);
  const auto split =
      demo.begin() + std::min<std::ptrdiff_t>(options.demo_fit_prompts, std::ssize(demo));
  SweepPrompts prompts;
  prompts.fit = Choose(system, options.fit_prompts, "--fit-prompts", {demo.begin(), split});
  prompts.test = Choose(system, options.test_prompts, "--prompts", {split, demo.end()});
  prompts.asked = static_cast<int>(prompts.test.size());
  CheckDistinct(prompts.fit, "fit prompts");
  CheckDistinct(prompts.test, "test prompts");
  for (const std::string& prompt : prompts.fit) system.CheckPrompt(prompt);
  for (const std::string& prompt : prompts.test) {
    system.CheckPrompt(prompt);
    if (std::ranges::find(prompts.fit, prompt) != prompts.fit.end()) {
      ThrowUserError("--prompts",
                     "must have nothing in common with the fit prompts but both hold \"{}\"",
                     prompt);
    }
  }
  return prompts;
}

SweepPlan PlanSweep(const System& system, const SweepOptions& options) {
  options.Validate();
  const SweepPrompts prompts = ChooseSweepPrompts(system, options);
  const auto seeds = static_cast<int>(options.seeds.size());
  const auto thresholds = options.thresholds.empty() ? options.auto_thresholds
                                                     : static_cast<int>(options.thresholds.size());
  const bool steps = std::ranges::find(options.baselines, "steps") != options.baselines.end() &&
                     system.WithSteps(system.info().steps) == nullptr;
  const int baselines = static_cast<int>(options.baselines.size()) - (steps ? 1 : 0);
  SweepPlan plan;
  plan.fit_runs = static_cast<int>(prompts.fit.size()) * seeds;
  plan.settings = 1 + thresholds * static_cast<int>(options.coeffs.size()) * (1 + baselines);
  plan.videos = static_cast<int>(prompts.test.size()) * seeds * plan.settings;
  plan.timed_runs = options.timed_runs;
  const int64_t recorded = plan.fit_runs + static_cast<int64_t>(prompts.test.size()) * seeds;
  plan.calls =
      (recorded + static_cast<int64_t>(plan.videos) * options.timed_runs) * system.info().calls;
  Measure(system, options, &plan);
  return plan;
}

}  // namespace teacache
