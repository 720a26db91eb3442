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
  std::vector<double> first(input.calls, kNan);  // of the first run that has the call
  for (const SignalRun& run : input.runs) {
    for (int call = 1; call < input.calls; ++call) {
      const double x = run.x[call];
      if (!run.Exists(call) || std::isnan(x)) continue;
      if (std::isnan(first[call])) first[call] = x;
      if (!(std::fabs(x - first[call]) <= 1e-9 * std::fabs(first[call]))) return false;
    }
  }
  return true;
}

// The runs while they are collected.
class RunIndex {
 public:
  // `first_exists`: every run has call 0, which is not measured.
  RunIndex(ReplayInput* input, bool first_exists) : input_(input), first_exists_(first_exists) {}

  // The signal of a call; `piece` is the part that `calls` count through (several may share them).
  void Set(const SignalRun& run, int piece, int call, double x) {
    const auto [it, inserted] = index_.try_emplace(
        std::tuple(run.prompt, run.seed, run.part, run.branch), input_->runs.size());
    if (inserted) {
      input_->runs.push_back(run);
      input_->runs.back().x.assign(input_->calls, kNan);
      input_->runs.back().exists.assign(input_->calls, false);
      const auto [known, added] = pieces_.try_emplace({run.prompt, run.seed, piece}, seen_.size());
      if (added) seen_.emplace_back(input_->calls, false);
      piece_of_.push_back(known->second);
    }
    SignalRun& own = input_->runs[it->second];
    std::vector<bool>& seen = seen_[piece_of_[it->second]];
    own.x[call] = x;
    own.exists[call] = seen[call] = true;
    // A trace may lack the row of call 0.
    if (first_exists_ ? inserted : call == 1 && !std::isnan(x)) {
      own.exists[0] = seen[0] = true;
    }
  }

  // Removes runs of which a call is missing in all branches.
  void KeepComplete(RunLengths lengths, std::vector<std::string>* warnings) {
    std::vector<SignalRun> complete;
    for (size_t i = 0; i < input_->runs.size(); ++i) {
      std::vector<bool>& calls = seen_[piece_of_[i]];
      if (lengths == RunLengths::kOwn) {
        while (!calls.empty() && !calls.back()) calls.pop_back();
        input_->runs[i].calls = static_cast<int>(calls.size());
      }
      const bool lacks = std::ranges::find(calls, false) != calls.end();
      if (lacks && lengths != RunLengths::kComplete) continue;
      complete.push_back(std::move(input_->runs[i]));
    }
    if (warnings != nullptr && complete.size() < input_->runs.size()) {
      warnings->push_back(fmt::format("{} of {} runs are incomplete and were not replayed",
                                      input_->runs.size() - complete.size(),
                                      input_->runs.size()));
    }
    if (complete.empty()) {
      ThrowUserError("replay", "must have a complete run of {} calls but has none", input_->calls);
    }
    input_->runs = std::move(complete);
    CountCalls();
  }

 private:
  using Piece = std::tuple<int, int64_t, int>;  // prompt, seed, sample

  void CountCalls() {
    double total = 0;
    for (SignalRun& run : input_->runs) {
      const auto own = std::ranges::count(run.exists, true);
      total += static_cast<double>(own);
      if (own == input_->calls) run.exists.clear();
    }
    input_->calls_per_run = total / static_cast<double>(input_->runs.size());
  }

  ReplayInput* input_;
  bool first_exists_;
  std::map<std::tuple<int, int64_t, int, std::string>, size_t> index_;
  std::map<Piece, size_t> pieces_;
  std::vector<size_t> piece_of_;         // each run's
  std::vector<std::vector<bool>> seen_;  // calls of each piece
};

}  // namespace

ReplayInput MakeReplayInput(const Trace& trace,
                            const EngineRule& rule,
                            std::vector<std::string>* warnings,
                            RunLengths lengths) {
  ReplayInput input;
  input.calls = trace.header.calls;
  RunIndex index(&input, false);
  std::map<std::string, int> prompts;
  std::map<std::pair<int, int>, int> parts;  // segment and sample
  double ms_call = 0;
  double ms_skipped = 0;
  int64_t timed = 0;
  for (const TraceRow& row : trace.rows) {
    const auto [it, inserted] =
        prompts.try_emplace(row.prompt, static_cast<int>(input.prompts.size()));
    if (inserted) input.prompts.push_back(row.prompt);
    SignalRun run{it->second, row.seed, row.branch, {}};
    run.part =
        parts.try_emplace({row.segment, row.sample}, static_cast<int>(parts.size())).first->second;
    index.Set(run, row.sample, row.call, row.call == 0 ? 0 : RelativeChange(row.mod, rule));
    if (row.evaluations > 1) {
      input.evaluations.resize(input.calls, 1);
      input.evaluations[row.call] = row.evaluations;
    }
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
  index.KeepComplete(lengths, warnings);
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
  RunIndex index(&input, true);
  for (const Pair& pair : pairs.pairs) {
    if (pair.call < 1 || pair.call >= input.calls) {
      ThrowUserError(
          "replay", "calls must be between 1 and {} but one is {}", input.calls - 1, pair.call);
    }
    const std::string branch =
        pair.branch < static_cast<int>(pairs.branches.size()) ? pairs.branches[pair.branch] : "";
    const SignalRun run{pair.prompt, pair.seed, branch, {}};
    index.Set(run, 0, pair.call, pair.x);
  }
  index.KeepComplete(RunLengths::kWhole, warnings);
  input.time_only = IsTimeOnly(input);
  return input;
}

std::vector<RunGroup> GroupRuns(const ReplayInput& input, const EngineRule& rule) {
  std::vector<RunGroup> groups;
  std::map<std::tuple<int, int64_t, int>, size_t> index;
  for (size_t i = 0; i < input.runs.size(); ++i) {
    size_t group = groups.size();
    if (rule.branches != EngineRule::Branches::kSeparate) {
      const SignalRun& run = input.runs[i];
      group = index.try_emplace({run.prompt, run.seed, run.part}, group).first->second;
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

double EvaluationsOf(const ReplayInput& input, int call) {
  return input.evaluations.empty() ? 1 : input.evaluations[call];
}

double SpeedUp(const ReplayInput& input, double skips) {
  double calls = input.calls_per_run > 0 ? input.calls_per_run : input.calls;
  if (!input.evaluations.empty()) {
    calls = 0;
    for (const SignalRun& run : input.runs) {
      for (int call = 0; call < input.calls; ++call) {
        if (run.Exists(call)) calls += input.evaluations[call];
      }
    }
    calls /= static_cast<double>(input.runs.size());
  }
  const double skipped = input.ms_call > 0 ? input.ms_skipped / input.ms_call : 0;
  return calls / (calls - skips + skips * skipped);
}

}  // namespace teacache
