#include "metrics/vbench/aggregate_command.h"

#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {

namespace fs = std::filesystem;

std::string RunVbenchAggregate(const VbenchAggregateCommand& command) {
  if (command.scores.empty()) ThrowUserError("--scores", "a folder of scores must be given");
  const bool teacache = command.compat == VbenchCompat::kTeaCache;
  if (command.partial && command.compat != VbenchCompat::kNone) {
    ThrowUserError("--partial", "cannot go with --compat, which says what missing scores mean");
  }
  const VbenchTotals totals = AggregateVbench(
      ReadVbenchScores(command.scores, command.compat), command.compat, command.partial);
  const std::string out = command.out.empty() && teacache ? command.scores[0] : command.out;
  if (!out.empty()) {
    MakeFolders(out);
    const fs::path folder(out);
    if (teacache) {
      AtomicWriteFile((folder / "all_results.json").string(), TeaCacheAllResults(totals));
      AtomicWriteFile((folder / "scaled_results.json").string(), TeaCacheScaledResults(totals));
    } else {
      AtomicWriteFile((folder / "vbench_totals.json").string(),
                      VbenchTotalsJson(totals, command.compat));
    }
  }
  return command.json ? VbenchTotalsJson(totals, command.compat) : VbenchTotalsText(totals);
}

}  // namespace teacache
