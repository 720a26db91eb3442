#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "datasets/base/progress.h"
#include "datasets/work/shard.h"
#include "datasets/work/work_loop.h"
#include "runners/systems/system.h"

namespace teacache {

struct PromptItem {
  std::string prompt;
  int64_t seed = 0;
  int piece = 0;  // 0 to PromptWork::pieces - 1
};

// Work on every prompt with every seed, seed by seed within a prompt.
struct PromptWork {
  std::vector<std::string> prompts;
  std::vector<int64_t> seeds = {0};
  int jobs = 1;     // items in work at the same time
  int threads = 1;  // LibTorch's threads within one item; the last bits may depend on it
  int pieces = 1;   // that the work on one prompt and seed is cut into, each an item
  Shard shard;
  ProgressSink* progress = nullptr;

  // Throws UserError for numbers below 1, prompts that are given twice and prompts that the system
  // cannot take.
  void Check(const System& system) const;
};

// Runs the loop (see RunWork), prompts prepared by the system first and a long run's time
// estimated. `make` passes its second argument on as SampleOptions::on_call. Commits come in order.
WorkSummary RunPromptWork(
    const System& system,
    const PromptWork& work,
    const std::string& task,
    const std::string& unit,
    const std::function<bool(const PromptItem&)>& finished,
    const std::function<Commit(const PromptItem&, const std::function<void(int)>&)>& make);

}  // namespace teacache
