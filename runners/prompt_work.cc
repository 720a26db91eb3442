#include "runners/prompt_work.h"

#include <fmt/format.h>

#include <optional>

#include "datasets/base/error.h"
#include "datasets/prompts.h"
#include "datasets/tensors/torch_threads.h"
#include "datasets/work/parts.h"
#include "runners/time_estimate.h"

namespace teacache {

void PromptWork::Check(const System& system) const {
  if (jobs < 1) ThrowUserError("--jobs", "must be at least 1 but is {}", jobs);
  if (threads < 1) ThrowUserError("--threads", "must be at least 1 but is {}", threads);
  CheckDistinct(prompts, "prompts");
  for (const std::string& prompt : prompts) system.CheckPrompt(prompt);
}

WorkSummary RunPromptWork(
    const System& system,
    const PromptWork& work,
    const std::string& task,
    const std::string& unit,
    const std::function<bool(const PromptItem&)>& finished,
    const std::function<Commit(const PromptItem&, const std::function<void(int)>&)>& make) {
  std::vector<PromptItem> items;
  std::vector<std::string> names;
  for (const std::string& prompt : work.prompts) {
    for (const int64_t seed : work.seeds) {
      for (int piece = 0; piece < work.pieces; ++piece) {
        items.push_back({prompt, seed, piece});
        names.push_back(fmt::format("\"{}\", seed {}", prompt, seed));
        if (work.pieces > 1) names.back() += fmt::format(", piece {}", piece + 1);
      }
    }
  }
  ProgressSink& progress = work.progress ? *work.progress : NoProgress();
  NotePart(work.shard, &progress);
  std::optional<TimeEstimate> estimate;
  const TorchThreads threads(work.threads);
  WorkOptions options;
  options.task = task;
  options.unit = unit;
  options.jobs = work.jobs;
  options.shard = work.shard;
  options.progress = &progress;
  options.start_thread = [&] { at::set_num_threads(work.threads); };
  options.prepare = [&](const std::vector<size_t>& todo) {
    std::vector<std::string> prompts;
    for (const size_t i : todo) {
      if (prompts.empty() || prompts.back() != items[i].prompt) prompts.push_back(items[i].prompt);
    }
    system.Prepare(prompts, &progress);
    estimate.emplace(static_cast<int64_t>(todo.size()), system.info().calls, work.jobs, &progress);
  };
  return RunWork(
      names,
      options,
      [&](size_t i) { return finished(items[i]); },
      [&](size_t i) {
        return make(items[i], [&estimate](int call) { estimate->AfterCall(call); });
      });
}

}  // namespace teacache
