#include "metrics/vbench/score_command.h"

#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// "" or "shard-0-of-4."
std::string ShardPrefix(const Shard& shard) {
  return shard.count > 1 ? fmt::format("shard-{}-of-{}", shard.index, shard.count) : "";
}

void Write(const std::string& out, const std::string& shard, const VbenchResults& results) {
  const fs::path folder(out);
  if (!shard.empty()) {
    AtomicWriteFile((folder / (shard + ".json")).string(), VbenchResultsToJson(results));
    return;
  }
  AtomicWriteFile((folder / "results.json").string(), VbenchResultsToJson(results));
  AtomicWriteFile((folder / "per_video.csv").string(), VbenchCsv(results));
  AtomicWriteFile((folder / "vbench_full_info.json").string(), VbenchFullInfo(results));
  AtomicWriteFile((folder / "vbench_eval_results.json").string(), VbenchEvalResults(results));
}

}  // namespace

VbenchScoreOutcome RunVbenchScore(const VbenchScoreCommand& command) {
  VbenchScoreOutcome outcome;
  std::string shard, journal;
  if (!command.out.empty()) MakeFolders(command.out);
  if (!command.merge.empty()) {
    std::vector<VbenchResults> shards;
    for (const std::string& file : command.merge) shards.push_back(ReadVbenchResults(file));
    outcome.results = MergeVbench(shards, command.evaluate.pooling);
  } else {
    VbenchOptions options = command.evaluate;
    shard = ShardPrefix(options.shard);
    if (!command.out.empty()) {
      journal =
          (fs::path(command.out) / ((shard.empty() ? "vbench" : shard) + ".journal")).string();
    }
    options.journal = journal;
    outcome.results = EvaluateVbench(options);
  }
  if (!command.out.empty()) Write(command.out, shard, outcome.results);
  const bool missing = !outcome.results.missing.empty() && !command.allow_missing;
  outcome.exit_code = outcome.results.NumErrors() > 0 || missing ? 1 : 0;
  outcome.text = command.json ? VbenchResultsToJson(outcome.results) : VbenchText(outcome.results);
  if (!journal.empty() && outcome.results.NumErrors() == 0) fs::remove(journal);
  return outcome;
}

}  // namespace teacache
