#include "calib/replay/replay.h"

#include <algorithm>
#include <map>
#include <utility>

#include "calib/rules/skip_rule.h"
#include "datasets/base/statistics.h"

namespace teacache {
namespace {

// Mean over prompts drawn with replacement.
Interval BootstrapSkips(const ReplayInput& input, const std::vector<ReplayedRun>& runs) {
  std::map<int, std::pair<double, double>> prompts;  // skips, runs
  for (size_t i = 0; i < runs.size(); ++i) {
    prompts[input.runs[i].prompt].first += runs[i].skips;
    prompts[input.runs[i].prompt].second += 1;
  }
  std::vector<std::pair<double, double>> sums;
  for (const auto& [prompt, sum] : prompts) sums.push_back(sum);
  const auto mean = [&sums](std::span<const size_t> drawn) {
    double skips = 0;
    double count = 0;
    for (const size_t i : drawn) {
      skips += sums[i].first;
      count += sums[i].second;
    }
    return skips / count;
  };
  return Bootstrap(sums.size(), 1000, 1, mean).value_or(Interval{});
}

double Disagreement(const ReplayInput& input, const std::vector<ReplayedRun>& runs) {
  std::map<std::pair<int, int64_t>, std::vector<size_t>> samples;
  for (size_t i = 0; i < runs.size(); ++i) {
    samples[{input.runs[i].prompt, input.runs[i].seed}].push_back(i);
  }
  int64_t different = 0;
  int64_t total = 0;
  for (const auto& [key, branches] : samples) {
    if (branches.size() < 2) continue;
    for (int call = 0; call < input.calls; ++call) {
      bool same = true;
      for (size_t i : branches) {
        same = same && runs[i].computed[call] == runs[branches[0]].computed[call];
      }
      different += same ? 0 : 1;
      ++total;
    }
  }
  return total > 0 ? static_cast<double>(different) / static_cast<double>(total) : 0;
}

// What is computed once the branches' own decisions are joined.
void JoinDecisions(const ReplayInput& input, const EngineRule& rule, ReplaySummary* summary) {
  for (const RunGroup& group : GroupRuns(input, rule)) {
    if (group.runs.size() < 2) continue;
    std::vector<bool> joined(input.calls);
    for (int call = 0; call < input.calls; ++call) {
      std::vector<bool> skips;
      for (size_t i : group.runs) skips.push_back(!summary->runs[i].computed[call]);
      joined[call] = !SkipTogether(group.deciding, skips);
    }
    for (size_t i : group.runs) summary->runs[i].computed = joined;
  }
}

}  // namespace

std::vector<bool> ReplayRun(const SignalRun& run, const ReplayOptions& options) {
  const EngineRule& rule = options.rule;
  const SkipLimits limits = LimitsOf(rule);
  const int calls = static_cast<int>(run.x.size());
  std::vector<bool> computed;
  SkipState state;
  for (int call = 0; call < calls; ++call) {
    const double value = SkipValue(run.x[call], rule, options.polynomial, options.range);
    const SkipCall step = MakeSkipCall(rule, KindOfCall(rule, call, calls), value);
    computed.push_back(!StepSkipRule(step, options.threshold, limits, &state).skip);
  }
  return computed;
}

ReplaySummary Replay(const ReplayInput& input, const ReplayOptions& options) {
  ReplaySummary summary;
  summary.threshold = options.threshold;
  summary.min_skips = input.calls;
  for (const SignalRun& run : input.runs) {
    summary.runs.push_back({ReplayRun(run, options)});
  }
  JoinDecisions(input, options.rule, &summary);
  for (ReplayedRun& replayed : summary.runs) {
    int streak = 0;
    for (bool computed : replayed.computed) {
      streak = computed ? 0 : streak + 1;
      replayed.skips += computed ? 0 : 1;
      replayed.longest_run = std::max(replayed.longest_run, streak);
    }
    summary.mean_skips += replayed.skips;
    summary.min_skips = std::min(summary.min_skips, replayed.skips);
    summary.max_skips = std::max(summary.max_skips, replayed.skips);
    summary.longest_run = std::max(summary.longest_run, replayed.longest_run);
  }
  summary.mean_skips /= static_cast<double>(input.runs.size());
  summary.skips95 = BootstrapSkips(input, summary.runs);
  summary.disagreement = Disagreement(input, summary.runs);
  summary.speedup = SpeedUp(input, summary.mean_skips);
  return summary;
}

std::string ScheduleText(const std::vector<bool>& computed) {
  std::string text;
  for (bool c : computed) text += c ? 'C' : 'S';
  return text;
}

}  // namespace teacache
