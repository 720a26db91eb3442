#include "runners/record_diffs.h"

#include <filesystem>

#include "calib/rules/cache_policy.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/interrupt.h"
#include "datasets/prompts.h"
#include "datasets/trace/trace.h"
#include "runners/nn/out_of_memory.h"
#include "runners/ordered_jobs.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/pixel_key.h"
#include "runners/systems/system_list.h"
#include "runners/time_estimate.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

struct Item {
  std::string prompt;
  int64_t seed = 0;
};

struct RecordedItem {
  std::vector<TraceRow> rows;
  std::string error;  // "" = none
};

}  // namespace

std::string TracePath(const std::string& out, const Shard& shard) {
  if (shard.count <= 1) return out;
  const fs::path path(out);
  const std::string name = fmt::format(
      "{}.{}-of-{}{}", path.stem().string(), shard.index, shard.count, path.extension().string());
  return (path.parent_path() / name).string();
}

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
  summary.path = TracePath(options.out, options.shard);
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
  std::vector<std::string> prompts;
  for (const Item& item : items) {
    if (prompts.empty() || prompts.back() != item.prompt) prompts.push_back(item.prompt);
  }
  if (!prompts.empty()) system.Prepare(prompts, &progress);
  TimeEstimate estimate(
      static_cast<int64_t>(items.size()), system.info().calls, options.jobs, &progress);
  sample_options.on_call = [&estimate](int call) { estimate.AfterCall(call); };
  const auto record = [&](const Item& item) {
    const auto run = system.Begin(item.prompt);
    const auto scheduler = system.MakeScheduler();
    const SampleResult result = NamingPart("transformer", [&] {
      return Sample(run.get(), scheduler.get(), *policy, system.Noise(item.seed), sample_options);
    });
    return TraceRows(result, run->branches(), item.prompt, item.seed);
  };
  ForEachInOrder<RecordedItem>(
      items.size(),
      {options.jobs, options.threads, Interrupted},
      [&](size_t i) {
        RecordedItem item;
        item.error = ErrorOfWork([&] { item.rows = record(items[i]); });
        return item;
      },
      [&](size_t i, RecordedItem&& item) {
        if (item.error.empty()) item.error = ErrorOfWork([&] { writer.Append(item.rows); });
        if (item.error.empty()) {
          ++summary.recorded;
          report(items[i].prompt);
        } else {
          summary.failed.push_back({items[i].prompt, items[i].seed, item.error});
          progress.Warn(
              fmt::format("\"{}\", seed {}: {}", items[i].prompt, items[i].seed, item.error));
        }
      });
  const size_t finished = summary.recorded + summary.resumed + summary.failed.size();
  summary.interrupted = finished < static_cast<size_t>(summary.total);
  return summary;
}

}  // namespace teacache
