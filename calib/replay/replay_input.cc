#include "calib/replay/replay_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "calib/rules/skip_rule.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

bool IsTimeOnly(const ReplayInput& input) {
  if (input.runs.size() < 2) return false;
  for (const SignalRun& run : input.runs) {
    for (int call = 1; call < input.calls; ++call) {
      const double first = input.runs[0].x[call];
      if (!(std::fabs(run.x[call] - first) <= 1e-9 * std::fabs(first))) return false;
    }
  }
  return true;
}

// Removes runs of which a call is missing.
void KeepComplete(ReplayInput* input,
                  const std::vector<int>& seen,
                  std::vector<std::string>* warnings) {
  std::vector<SignalRun> complete;
  for (size_t i = 0; i < input->runs.size(); ++i) {
    if (seen[i] == input->calls) complete.push_back(std::move(input->runs[i]));
  }
  if (warnings != nullptr && complete.size() < input->runs.size()) {
    warnings->push_back(fmt::format("{} of {} runs are incomplete and were not replayed",
                                    input->runs.size() - complete.size(),
                                    input->runs.size()));
  }
  if (complete.empty()) {
    ThrowUserError("replay", "must have a complete run of {} calls but has none", input->calls);
  }
  input->runs = std::move(complete);
}

using RunKey = std::tuple<int, int64_t, std::string>;

class RunIndex {
 public:
  explicit RunIndex(ReplayInput* input) : input_(input) {}

  SignalRun* Get(int prompt, int64_t seed, const std::string& branch) {
    const auto [it, inserted] =
        index_.try_emplace(RunKey{prompt, seed, branch}, input_->runs.size());
    if (inserted) {
      input_->runs.push_back({prompt, seed, branch, std::vector<double>(input_->calls, kNan)});
      seen.push_back(0);
    }
    ++seen[it->second];
    return &input_->runs[it->second];
  }

  std::vector<int> seen;

 private:
  ReplayInput* input_;
  std::map<RunKey, size_t> index_;
};

}  // namespace

ReplayInput MakeReplayInput(const Trace& trace,
                            const EngineRule& rule,
                            std::vector<std::string>* warnings) {
  ReplayInput input;
  input.calls = trace.header.calls;
  RunIndex index(&input);
  std::map<std::string, int> prompts;
  double ms_call = 0;
  double ms_skipped = 0;
  int64_t timed = 0;
  for (const TraceRow& row : trace.rows) {
    const auto [it, inserted] =
        prompts.try_emplace(row.prompt, static_cast<int>(input.prompts.size()));
    if (inserted) input.prompts.push_back(row.prompt);
    index.Get(it->second, row.seed, row.branch)->x[row.call] =
        row.call == 0 ? 0 : RelativeChange(row.mod, rule);
    if (row.ms_embed >= 0 && row.ms_blocks >= 0 && row.ms_head >= 0) {
      ++timed;
      ms_call += row.ms_embed + row.ms_blocks + row.ms_head;
      ms_skipped += row.ms_embed + row.ms_head;
    }
  }
  if (timed > 0) {
    input.ms_call = ms_call / static_cast<double>(timed);
    input.ms_skipped = ms_skipped / static_cast<double>(timed);
  }
  KeepComplete(&input, index.seen, warnings);
  input.time_only = trace.header.modulated == "time" || IsTimeOnly(input);
  return input;
}

ReplayInput MakeReplayInput(const PairSet& pairs, std::vector<std::string>* warnings) {
  ReplayInput input;
  input.calls = pairs.calls;
  if (input.calls < 2) {
    ThrowUserError("replay", "must know the calls of a run (>= 2) but has {}", pairs.calls);
  }
  input.prompts = pairs.prompts;
  RunIndex index(&input);
  for (const Pair& pair : pairs.pairs) {
    if (pair.call < 1 || pair.call >= input.calls) {
      ThrowUserError(
          "replay", "calls must be between 1 and {} but one is {}", input.calls - 1, pair.call);
    }
    const std::string branch =
        pair.branch < static_cast<int>(pairs.branches.size()) ? pairs.branches[pair.branch] : "";
    index.Get(pair.prompt, pair.seed, branch)->x[pair.call] = pair.x;
  }
  for (int& seen : index.seen) ++seen;  // call 0 has no pair
  KeepComplete(&input, index.seen, warnings);
  input.time_only = IsTimeOnly(input);
  return input;
}

std::vector<RunGroup> GroupRuns(const ReplayInput& input, const EngineRule& rule) {
  std::vector<RunGroup> groups;
  std::map<std::pair<int, int64_t>, size_t> index;
  for (size_t i = 0; i < input.runs.size(); ++i) {
    size_t group = groups.size();
    if (rule.branches != EngineRule::Branches::kSeparate) {
      group = index.try_emplace({input.runs[i].prompt, input.runs[i].seed}, group).first->second;
    }
    if (group == groups.size()) groups.emplace_back();
    groups[group].runs.push_back(i);
  }
  for (RunGroup& group : groups) {
    std::vector<std::string> branches;
    for (const size_t i : group.runs) branches.push_back(input.runs[i].branch);
    group.deciding = DecidingBranch(rule, branches);
  }
  return groups;
}

double SpeedUp(const ReplayInput& input, double skips) {
  const double calls = input.calls;
  const double skipped = input.ms_call > 0 ? input.ms_skipped / input.ms_call : 0;
  return calls / (calls - skips + skips * skipped);
}

}  // namespace teacache
