#include "calib/replay/replay.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <utility>

#include "calib/diagnosis/statistics.h"
#include "calib/replay/replay_decisions.h"

namespace teacache {
namespace {

// Mean over prompts drawn with replacement.
Range BootstrapSkips(const ReplayInput& input, const std::vector<ReplayedRun>& runs) {
  std::map<int, std::pair<double, double>> prompts;  // skips, runs
  for (size_t i = 0; i < runs.size(); ++i) {
    prompts[input.runs[i].prompt].first += runs[i].skips;
    prompts[input.runs[i].prompt].second += 1;
  }
  std::vector<std::pair<double, double>> sums;
  for (const auto& [prompt, sum] : prompts) sums.push_back(sum);
  std::mt19937_64 random(1);
  std::vector<double> means;
  for (int b = 0; b < 1000; ++b) {
    double skips = 0;
    double count = 0;
    for (size_t i = 0; i < sums.size(); ++i) {
      const auto& [s, c] = sums[random() % sums.size()];
      skips += s;
      count += c;
    }
    means.push_back(skips / count);
  }
  return Interval95(std::move(means));
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
  for (const std::vector<size_t>& group : DecidedTogether(input, rule)) {
    if (group.size() < 2) continue;
    const int decider = Decider(input, rule, group);
    std::vector<bool> computed(input.calls, false);
    for (size_t i = 0; i < group.size(); ++i) {
      if (decider >= 0 && static_cast<int>(i) != decider) continue;
      for (int call = 0; call < input.calls; ++call) {
        computed[call] = computed[call] || summary->runs[group[i]].computed[call];
      }
    }
    for (size_t i : group) summary->runs[i].computed = computed;
  }
}

}  // namespace

std::vector<bool> ReplayRun(const SignalRun& run, const ReplayOptions& options) {
  const int calls = static_cast<int>(run.x.size());
  const EngineRule& rule = options.rule;
  const std::vector<bool> forced = ForcedCalls(rule, calls);
  const std::vector<bool> always = AlwaysComputed(rule, calls);
  std::vector<bool> computed(calls, true);
  double sum = 0;
  int streak = 0;
  for (int call = 0; call < calls; ++call) {
    if (always[call]) {
      if (!(forced[call] && rule.keeps_sum_when_forced)) sum = 0;
      streak = 0;
      continue;
    }
    const double value = Contribution(run.x[call], options);
    bool skip = false;
    if (!std::isnan(value) && options.threshold > 0) {
      sum += value;
      if (rule.cap > 0) sum = std::min(sum, rule.cap * options.threshold);
      skip = sum < options.threshold;
      if (rule.max_consecutive_skips > 0 && streak >= rule.max_consecutive_skips) skip = false;
    }
    if (!skip) sum = 0;
    streak = skip ? streak + 1 : 0;
    computed[call] = !skip;
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

double SpeedUp(const ReplayInput& input, double skips) {
  const double calls = input.calls;
  const double skipped = input.ms_call > 0 ? input.ms_skipped / input.ms_call : 0;
  return calls / (calls - skips + skips * skipped);
}

}  // namespace teacache
