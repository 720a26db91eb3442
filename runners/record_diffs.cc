#include "runners/record_diffs.h"

#include <filesystem>

#include "calib/cache_policy.h"
#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/interrupt.h"
#include "datasets/prompts.h"
#include "datasets/trace.h"
#include "runners/ordered_jobs.h"
#include "runners/sampler.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

std::string ShardPath(const std::string& out, const Shard& shard) {
  if (shard.count <= 1) return out;
  const fs::path path(out);
  const std::string name = fmt::format(
      "{}.{}-of-{}{}", path.stem().string(), shard.index, shard.count, path.extension().string());
  return (path.parent_path() / name).string();
}

struct Item {
  std::string prompt;
  int64_t seed = 0;
};

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
  CheckJobs(options.jobs, options.threads);
  CheckDistinct(options.prompts, "prompts");
  for (const std::string& prompt : options.prompts) system.CheckPrompt(prompt);
  RecordSummary summary;
  summary.path = ShardPath(options.out, options.shard);
  const fs::path folder = fs::path(summary.path).parent_path();
  if (!folder.empty()) MakeFolders(folder.string());
  // A run that was cut off is removed here, so it counts as not recorded.
  TraceWriter writer(summary.path, MakeTraceHeader(system.info(), options.prompts, options.shard));
  const auto recorded = RecordedRuns(writer);
  std::vector<Item> items;
  int64_t number = 0;
  for (const std::string& prompt : options.prompts) {
    for (const int64_t seed : options.seeds) {
      if (!options.shard.Contains(number++)) continue;
      ++summary.total;
      if (recorded.contains({prompt, seed})) {
        ++summary.resumed;
      } else {
        items.push_back({prompt, seed});
      }
    }
  }
  ProgressSink& progress = options.progress ? *options.progress : NoProgress();
  const auto report = [&](const std::string& name) {
    progress.Report({"recording", "runs", summary.recorded + summary.resumed, summary.total, name});
  };
  report("");
  const auto policy = MakeNoCachePolicy();
  SampleOptions sample_options;
  sample_options.record = true;
  sample_options.lookback = options.lookback;
  ForEachInOrder<std::vector<TraceRow>>(
      items.size(),
      {options.jobs, options.threads, Interrupted},
      [&](size_t i) {
        const auto run = system.Begin(items[i].prompt);
        const auto scheduler = system.MakeScheduler();
        const SampleResult result = Sample(
            run.get(), scheduler.get(), *policy, system.Noise(items[i].seed), sample_options);
        return TraceRows(result, run->branches(), items[i].prompt, items[i].seed);
      },
      [&](size_t i, std::vector<TraceRow>&& rows) {
        writer.Append(rows);
        ++summary.recorded;
        report(items[i].prompt);
      });
  summary.interrupted = summary.recorded + summary.resumed < summary.total;
  return summary;
}

}  // namespace teacache
