#include "reports/sweep/trace_store.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "calib/rules/cache_policy.h"
#include "datasets/base/archive.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/pixel_key.h"

namespace teacache {
namespace {

TraceHeader StoreHeader(const System& system) {
  TraceHeader header = MakeTraceHeader(system.info(), {});
  header.prompts_digest = "";  // of any prompts
  return header;
}

std::string StoreName(const PixelKey& key) {
  return "trace-" + Sha256Hex(ToJson(key, "trace store")).substr(0, 12) + ".jsonl";
}

using RunKey = std::pair<std::string, int64_t>;

std::map<RunKey, std::vector<TraceRow>> RowsByRun(const Trace& trace) {
  std::map<RunKey, std::vector<TraceRow>> runs;
  for (const TraceRow& row : trace.rows) runs[{row.prompt, row.seed}].push_back(row);
  return runs;
}

}  // namespace

TraceStore::TraceStore(const System& system, const std::string& folder, int threads)
    : system_(system),
      path_((std::filesystem::path(folder) / StoreName(MakePixelKey(system.info(), threads)))
                .string()) {
  MakeFolders(folder);
  writer_.emplace(path_, StoreHeader(system));
}

bool TraceStore::Has(const std::string& prompt, int64_t seed) const {
  return std::ranges::any_of(writer_->runs(), [&](const TraceRun& run) {
    return run.prompt == prompt && run.seed == seed;
  });
}

void TraceStore::Record(const std::string& prompt, int64_t seed) {
  if (Has(prompt, seed)) return;
  const auto run = system_.Begin(prompt);
  const auto scheduler = system_.MakeScheduler();
  SampleOptions options;
  options.record = true;
  const SampleResult result =
      Sample(run.get(), scheduler.get(), *MakeNoCachePolicy(), system_.Noise(seed), options);
  writer_->Append(TraceRows(result, run->branches(), prompt, seed));
}

Trace TraceStore::Select(const std::vector<std::string>& prompts,
                         const std::vector<int64_t>& seeds) const {
  const auto runs = RowsByRun(ReadTrace(path_));
  Trace selected;
  selected.header = MakeTraceHeader(system_.info(), prompts);
  for (const std::string& prompt : prompts) {
    for (const int64_t seed : seeds) {
      const auto found = runs.find({prompt, seed});
      if (found == runs.end()) {
        ThrowUserError(path_, "must hold the run of \"{}\", seed {}, but does not", prompt, seed);
      }
      selected.rows.insert(selected.rows.end(), found->second.begin(), found->second.end());
    }
  }
  return selected;
}

void WriteTrace(const std::string& path, const Trace& trace) {
  PendingPath pending(path);
  {
    TraceWriter writer(pending.temp(), trace.header);
    size_t begin = 0;
    while (begin < trace.rows.size()) {
      size_t end = begin;
      while (end < trace.rows.size() && trace.rows[end].prompt == trace.rows[begin].prompt &&
             trace.rows[end].seed == trace.rows[begin].seed) {
        ++end;
      }
      writer.Append({trace.rows.begin() + static_cast<std::ptrdiff_t>(begin),
                     trace.rows.begin() + static_cast<std::ptrdiff_t>(end)});
      begin = end;
    }
  }
  pending.Commit();
}

}  // namespace teacache
