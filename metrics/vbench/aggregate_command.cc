#include "metrics/vbench/aggregate_command.h"

#include <filesystem>
#include <string_view>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/outputs.h"

namespace teacache {

namespace fs = std::filesystem;

std::string RunVbenchAggregate(const VbenchAggregateCommand& command) {
  if (command.scores.empty()) ThrowUserError("--scores", "a folder of scores must be given");
  const bool teacache = command.compat == VbenchCompat::kTeaCache;
  if (command.partial && command.compat != VbenchCompat::kNone) {
    ThrowUserError("--partial", "cannot go with --compat, which says what missing scores mean");
  }
  const std::string out = command.out.empty() && teacache ? command.scores[0] : command.out;
  const auto path = [&](const char* name) { return (fs::path(out) / name).string(); };
  OutputCheck check;
  check.OwnedBy(command.owner);
  for (const std::string& folder : command.scores) {
    check.ReadsFolder("--scores", folder, {"_eval_results.json"});
  }
  check.WritesFile("--json", command.json == "-" ? "" : command.json);
  if (!out.empty()) {
    check.WritesFolder("--out", out);
    for (const char* name : {"all_results.json", "scaled_results.json", "vbench_totals.json"}) {
      if ((std::string_view(name) == "vbench_totals.json") != teacache) {
        check.WritesFile("--out", path(name));
      }
    }
  }
  check.Run();
  const VbenchTotals totals = AggregateVbench(
      ReadVbenchScores(command.scores, command.compat), command.compat, command.partial);
  if (!out.empty()) MakeFolders(out);
  check.Begin();
  if (!out.empty()) {
    if (teacache) {
      AtomicWriteFile(path("all_results.json"), TeaCacheAllResults(totals));
      AtomicWriteFile(path("scaled_results.json"), TeaCacheScaledResults(totals));
    } else {
      AtomicWriteFile(path("vbench_totals.json"), VbenchTotalsJson(totals, command.compat));
    }
  }
  const std::string json = VbenchTotalsJson(totals, command.compat);
  if (!command.json.empty() && command.json != "-") AtomicWriteFile(command.json, json);
  check.Finish();
  return command.json == "-" ? json : VbenchTotalsText(totals);
}

}  // namespace teacache
