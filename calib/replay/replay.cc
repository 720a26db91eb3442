#include "calib/replay/replay.h"

#include <algorithm>
#include <map>
#include <tuple>
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
  std::map<std::tuple<int, int64_t, int>, std::vector<size_t>> samples;
  for (size_t i = 0; i < runs.size(); ++i) {
    const SignalRun& run = input.runs[i];
    samples[{run.prompt, run.seed, run.part}].push_back(i);
  }
  int64_t different = 0;
  int64_t total = 0;
  for (const auto& [key, branches] : samples) {
    if (branches.size() < 2) continue;
    for (int call = 0; call < input.calls; ++call) {
      int there = 0;
      int computed = 0;
      for (size_t i : branches) {
        if (!input.runs[i].Exists(call)) continue;
        ++there;
        computed += runs[i].computed[call];
      }
      if (there < 2) continue;
      different += computed > 0 && computed < there;
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
      std::vector<bool> skips;  // a branch that does not exist has no say
      int deciding = group.deciding;
      for (size_t i : group.runs) {
        skips.push_back(!input.runs[i].Exists(call) || !summary->runs[i].computed[call]);
      }
      if (deciding >= 0 && !input.runs[group.runs[deciding]].Exists(call)) deciding = -1;
      joined[call] = !SkipTogether(deciding, skips);
    }
    for (size_t i : group.runs) {
      for (int call = 0; call < input.calls; ++call) {
        summary->runs[i].computed[call] = joined[call] || !input.runs[i].Exists(call);
      }
    }
  }
}

}  // namespace

std::vector<bool> ReplayRun(const SignalRun& run, const ReplayOptions& options) {
  const EngineRule& rule = options.rule;
  const SkipLimits limits = LimitsOf(rule);
  const int calls = run.Calls();
  std::vector<bool> computed(run.x.size(), true);
  SkipState state;
  for (int call = 0; call < calls; ++call) {
    if (!run.Exists(call)) continue;
    const double value = SkipValue(run.x[call], rule, options.polynomial, options.range);
    const SkipCall step = MakeSkipCall(rule, KindOfCall(rule, call, calls), value);
    computed[call] = !StepSkipRule(step, options.threshold, limits, &state).skip;
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
  double saved = 0;
  for (ReplayedRun& replayed : summary.runs) {
    int streak = 0;
    for (int call = 0; call < input.calls; ++call) {
      const bool computed = replayed.computed[call];
      streak = computed ? 0 : streak + 1;
      replayed.skips += computed ? 0 : 1;
      if (!computed) saved += EvaluationsOf(input, call);
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
  summary.speedup = SpeedUp(input, saved / static_cast<double>(input.runs.size()));
  return summary;
}

std::string ScheduleText(const std::vector<bool>& computed) {
  std::string text;
  for (bool c : computed) text += c ? 'C' : 'S';
  return text;
}

std::string ScheduleText(const SignalRun& run, const std::vector<bool>& computed) {
  std::string text = ScheduleText(computed);
  for (int call = 0; call < static_cast<int>(text.size()); ++call) {
    if (!run.Exists(call)) text[call] = '-';
  }
  return text;
}

}  // namespace teacache
