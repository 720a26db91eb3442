#include "runners/record_diffs.h"

#include <fmt/format.h>

#include <filesystem>

#include "calib/rules/cache_policy.h"
#include "datasets/base/files.h"
#include "datasets/trace/trace_writer.h"
#include "datasets/work/parts.h"
#include "runners/nn/out_of_memory.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/pixel_key.h"
#include "runners/systems/system_list.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::set<std::pair<std::string, int64_t>> RecordedRuns(const TraceWriter& writer) {
  std::set<std::pair<std::string, int64_t>> runs;
  for (const TraceRun& run : writer.runs()) runs.emplace(run.prompt, run.seed);
  return runs;
}

RecordSummary RecordDiffs(const RecordOptions& options) {
  const std::unique_ptr<System> system = LoadSystem(options.model, options.system);
  return RecordDiffs(*system, options);
}

RecordSummary RecordDiffs(const System& system, const RecordOptions& options) {
  options.Check(system);
  RecordSummary summary;
  summary.path = PartPath(options.out, options.shard);
  const fs::path folder = fs::path(summary.path).parent_path();
  if (!folder.empty()) MakeFolders(folder.string());
  // A run that was cut off is removed here, so it counts as not recorded.
  TraceWriter writer(summary.path, MakeTraceHeader(system.info(), options.prompts, options.shard));
  const auto recorded = RecordedRuns(writer);
  const auto policy = MakeNoCachePolicy();
  const auto record = [&](const PromptItem& item, const std::function<void(int)>& on_call) {
    SampleOptions sampling;
    sampling.record = true;
    sampling.lookback = options.lookback;
    sampling.on_call = on_call;
    const auto run = system.Begin(item.prompt);
    const auto scheduler = system.MakeScheduler();
    const SampleResult result = NamingPart("transformer", [&] {
      return Sample(run.get(), scheduler.get(), *policy, system.Noise(item.seed), sampling);
    });
    return TraceRows(result, run->branches(), item.prompt, item.seed);
  };
  static_cast<WorkSummary&>(summary) = RunPromptWork(
      system,
      options,
      "recording",
      "runs",
      [&](const PromptItem& item) {
        return recorded.contains({item.prompt, item.seed});
      },
      [&](const PromptItem& item, const std::function<void(int)>& on_call) {
        return [&writer, rows = record(item, on_call)] { writer.Append(rows); };
      });
  return summary;
}

}  // namespace teacache
