#include "metrics/vbench/score_command.h"

#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/outputs.h"
#include "datasets/work/parts.h"
#include "datasets/work/shard.h"
#include "datasets/work/stale_files.h"
#include "metrics/pairs/pairing.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

struct OutputFile {
  const char* name;
  std::string (*text)(const VbenchResults&);
  bool upstream = false;  // VBench's own, with no place for a mark of missing parts
};

constexpr const char* kResults = "results.json";
constexpr OutputFile kOutputs[] = {{kResults, VbenchResultsToJson},
                                   {"per_video.csv", VbenchCsv},
                                   {"vbench_full_info.json", VbenchFullInfo, true},
                                   {"vbench_eval_results.json", VbenchEvalResults, true}};

std::string PathIn(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

void Write(const std::string& out, const Shard& shard, const VbenchResults& results) {
  if (shard.count > 1) {
    AtomicWriteFile(PartPath(PathIn(out, kResults), shard), VbenchResultsToJson(results));
    return;
  }
  const bool partial = results.context.contains(kMissingParts);
  for (const OutputFile& file : kOutputs) {
    if (!partial || !file.upstream) AtomicWriteFile(PathIn(out, file.name), file.text(results));
  }
}

void AddOutputs(const std::string& out, const Shard& shard, OutputCheck* check) {
  check->WritesFolder("--out", out);
  if (shard.count > 1) {
    check->WritesFile("--out", PartPath(PathIn(out, kResults), shard));
    return;
  }
  for (const OutputFile& file : kOutputs) check->WritesFile("--out", PathIn(out, file.name));
}

// Before any work. `journal` "" = none. Makes the folder of the outputs.
OutputCheck CheckOutputs(const VbenchScoreCommand& command,
                         const Shard& shard,
                         const std::string& journal) {
  OutputCheck check;
  check.OwnedBy(command.owner);
  for (const std::string& file : command.merge) {
    for (const std::string& part : FindParts(file)) check.Reads("--merge", part);
  }
  if (command.merge.empty()) {
    check.Reads("--full-info", command.evaluate.full_info);
    check.Reads("--prompt-file", command.evaluate.prompt_file);
    check.ReadsFolder("--videos", command.evaluate.videos, VideoFileEndings());
  }
  for (const auto& [flag, path] : command.other_inputs) check.Reads(flag, path);
  check.WritesFile("--json", command.json == "-" ? "" : command.json);
  if (!command.out.empty()) AddOutputs(command.out, shard, &check);
  check.GrowsFile("journal of --out", journal);
  check.Run();
  if (!command.out.empty()) {
    MakeFolders(command.out);
    RemoveStaleTemporaries(command.out);
  }
  check.Begin();
  return check;
}

}  // namespace

VbenchScoreOutcome RunVbenchScore(const VbenchScoreCommand& command) {
  VbenchScoreOutcome outcome;
  std::string journal;
  const Shard shard = command.merge.empty() ? command.evaluate.shard : Shard();
  if (!command.out.empty() && command.merge.empty()) {
    journal = PartPath(PathIn(command.out, "vbench.journal"), shard);
  }
  const OutputCheck check = CheckOutputs(command, shard, journal);
  if (!command.merge.empty()) {
    std::vector<VbenchResults> shards;
    for (const std::string& file : command.merge) {
      for (const std::string& part : FindParts(file)) shards.push_back(ReadVbenchResults(part));
    }
    outcome.results = MergeVbench(shards, command.evaluate.pooling, command.allow_missing_parts);
  } else {
    VbenchOptions options = command.evaluate;
    options.journal = journal;
    outcome.results = EvaluateVbench(options);
  }
  if (shard.count == 1) {
    outcome.results.requirements = CheckVbench(outcome.results, command.requirements);
  }
  if (!command.out.empty()) Write(command.out, shard, outcome.results);
  if (!command.json.empty() && command.json != "-") {
    AtomicWriteFile(command.json, VbenchResultsToJson(outcome.results));
  }
  check.Finish();
  const bool missing = !outcome.results.missing.empty() || !outcome.results.left_out.empty();
  const bool failed = outcome.results.NumErrors() > 0 || (missing && !command.allow_missing);
  outcome.exit_code = ExitCodeOf(outcome.results.requirements, failed ? 1 : 0);
  outcome.breaches = BreachLines(outcome.results.requirements);
  outcome.text = command.json == "-" ? VbenchResultsToJson(outcome.results)
                                     : VbenchText(outcome.results) + LastLine(shard);
  if (command.json == "-") NotePart(shard, command.evaluate.progress);
  if (!journal.empty() && outcome.results.NumErrors() == 0) fs::remove(journal);
  return outcome;
}

}  // namespace teacache
