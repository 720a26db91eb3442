#include "calib/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <tuple>
#include <utility>

#include "calib/statistics.h"
#include "datasets/error.h"

namespace teacache {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// What one call contributes to the accumulator; NaN = compute whatever the sum.
double Contribution(double x, const ReplayOptions& options) {
  if (!std::isfinite(x)) return kNan;
  if (options.rule.guards_range && options.range.width() > 0) {
    if (x > options.range.hi) return kNan;
    x = std::max(x, options.range.lo);
  }
  const double f = options.polynomial(x);
  switch (options.rule.sign) {
    case EngineRule::Sign::kRaw:
      return f;
    case EngineRule::Sign::kAbsolute:
      return std::fabs(f);
    case EngineRule::Sign::kClamp:
      return std::max(0.0, f);
  }
  return f;
}

// Calls that are computed without looking at the signal, the seeding call of a cache included.
std::vector<bool> AlwaysComputed(const EngineRule& rule, int calls) {
  std::vector<bool> computed = ForcedCalls(rule, calls);
  if (rule.seeds_cache) {
    const auto first = std::find(computed.begin(), computed.end(), false);
    if (first != computed.end()) *first = true;
  }
  return computed;
}

double ApplyEpsilon(const L1Sums& sums, const EngineRule& rule) {
  if (!sums.measured()) return kNan;
  const double n = static_cast<double>(sums.n);
  double denominator = sums.prev_l1 / n;
  if (rule.epsilon_kind == EngineRule::Epsilon::kAdd) denominator += rule.epsilon;
  if (rule.epsilon_kind == EngineRule::Epsilon::kFloor) {
    denominator = std::max(denominator, rule.epsilon);
  }
  if (!(denominator > 0)) return kNan;
  // Without an epsilon exactly the ratio that was fitted.
  return rule.epsilon_kind == EngineRule::Epsilon::kNone ? sums.Ratio()
                                                         : sums.diff_l1 / n / denominator;
}

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

// The runs whose branches are decided together, in order; otherwise each run alone.
std::vector<std::vector<size_t>> DecidedTogether(const ReplayInput& input, const EngineRule& rule) {
  std::vector<std::vector<size_t>> groups;
  std::map<std::pair<int, int64_t>, size_t> index;
  for (size_t i = 0; i < input.runs.size(); ++i) {
    size_t group = groups.size();
    if (rule.branches != EngineRule::Branches::kSeparate) {
      group = index.try_emplace({input.runs[i].prompt, input.runs[i].seed}, group).first->second;
    }
    if (group == groups.size()) groups.emplace_back();
    groups[group].push_back(i);
  }
  return groups;
}

// Which of the runs decides for all; -1 = they all do.
int Decider(const ReplayInput& input, const EngineRule& rule, const std::vector<size_t>& group) {
  if (rule.branches != EngineRule::Branches::kCond) return -1;
  for (size_t i = 0; i < group.size(); ++i) {
    const std::string& branch = input.runs[group[i]].branch;
    if (branch == "cond" || branch == "pos") return static_cast<int>(i);
  }
  return 0;
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

// State of all thresholds at one moment of one run: plain arrays, so that the compiler can take
// several thresholds into one instruction.
struct Lanes {
  explicit Lanes(size_t n) : sum(n), streak(n), skip(n) {}

  void Reset() {
    std::fill(sum.begin(), sum.end(), 0.0);
    std::fill(streak.begin(), streak.end(), 0.0);
  }

  void Compute(bool keep_sum) {
    if (!keep_sum) std::fill(sum.begin(), sum.end(), 0.0);
    std::fill(streak.begin(), streak.end(), 0.0);
    std::fill(skip.begin(), skip.end(), 0.0);
  }

  std::vector<double> sum;
  std::vector<double> streak;  // skips in a row that the run decided on
  std::vector<double> skip;    // 1 = this call is skipped
};

void AdvanceLanes(double value,
                  const std::vector<double>& thresholds,
                  double cap,
                  double max_streak,
                  Lanes* lanes) {
  const size_t n = thresholds.size();
  const double* threshold = thresholds.data();
  double* sum = lanes->sum.data();
  double* streak = lanes->streak.data();
  double* skip = lanes->skip.data();
  for (size_t t = 0; t < n; ++t) {
    const double next = std::min(sum[t] + value, cap * threshold[t]);
    const bool skips = (next < threshold[t]) & (streak[t] < max_streak);
    sum[t] = skips ? next : 0.0;
    streak[t] = skips ? streak[t] + 1.0 : 0.0;
    skip[t] = skips ? 1.0 : 0.0;
  }
}

// What became of the runs that were decided together, for all thresholds.
struct LaneCounts {
  explicit LaneCounts(size_t n) : skips(n), streak(n), longest(n) {}

  void Reset() {
    std::fill(skips.begin(), skips.end(), 0.0);
    std::fill(streak.begin(), streak.end(), 0.0);
  }

  void Add(const std::vector<double>& skip) {
    const size_t n = skip.size();
    for (size_t t = 0; t < n; ++t) {
      skips[t] += skip[t];
      streak[t] = skip[t] * (streak[t] + 1.0);
      longest[t] = std::max(longest[t], streak[t]);
    }
  }

  std::vector<double> skips;
  std::vector<double> streak;
  std::vector<double> longest;  // of all runs
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
        row.call == 0 ? 0 : ApplyEpsilon(row.mod, rule);
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

std::vector<SweepPoint> Sweep(const ReplayInput& input,
                              const ReplayOptions& options,
                              const std::vector<double>& thresholds) {
  const EngineRule& rule = options.rule;
  const size_t n = thresholds.size();
  const std::vector<bool> forced = ForcedCalls(rule, input.calls);
  const std::vector<bool> always = AlwaysComputed(rule, input.calls);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // Threshold 0 never skips, and 0 times an infinite cap would be no number.
  const double cap = rule.cap > 0 ? rule.cap : std::numeric_limits<double>::max();
  const double max_streak = rule.max_consecutive_skips > 0 ? rule.max_consecutive_skips : kInfinity;

  std::vector<SweepPoint> points(n);
  for (size_t t = 0; t < n; ++t) {
    points[t].threshold = thresholds[t];
    points[t].min_skips = input.calls;
  }
  std::vector<Lanes> lanes;
  LaneCounts counts(n);
  for (const std::vector<size_t>& group : DecidedTogether(input, rule)) {
    while (lanes.size() < group.size()) lanes.emplace_back(n);
    for (Lanes& lane : lanes) lane.Reset();
    counts.Reset();
    const int decider = Decider(input, rule, group);
    for (int call = 0; call < input.calls; ++call) {
      for (size_t i = 0; i < group.size(); ++i) {
        const double value =
            always[call] ? kNan : Contribution(input.runs[group[i]].x[call], options);
        if (std::isnan(value)) {
          lanes[i].Compute(forced[call] && rule.keeps_sum_when_forced);
        } else {
          AdvanceLanes(value, thresholds, cap, max_streak, &lanes[i]);
        }
      }
      std::vector<double>& skip = lanes[std::max(decider, 0)].skip;
      if (decider < 0) {
        for (size_t i = 1; i < group.size(); ++i) {
          for (size_t t = 0; t < n; ++t) skip[t] *= lanes[i].skip[t];
        }
      }
      counts.Add(skip);
    }
    for (size_t t = 0; t < n; ++t) {
      const int skips = thresholds[t] > 0 ? static_cast<int>(counts.skips[t]) : 0;
      points[t].mean_skips += skips * static_cast<double>(group.size());
      points[t].min_skips = std::min(points[t].min_skips, skips);
      points[t].max_skips = std::max(points[t].max_skips, skips);
    }
  }
  for (size_t t = 0; t < n; ++t) {
    points[t].mean_skips /= static_cast<double>(input.runs.size());
    points[t].longest_run = thresholds[t] > 0 ? static_cast<int>(counts.longest[t]) : 0;
    points[t].speedup = SpeedUp(input, points[t].mean_skips);
  }
  return points;
}

std::vector<double> SweepThresholds(const ReplayInput& input,
                                    const ReplayOptions& options,
                                    int count) {
  if (count < 2) ThrowUserError("sweep", "thresholds must be at least 2 but are {}", count);
  const std::vector<bool> always = AlwaysComputed(options.rule, input.calls);
  double highest = 0;
  double lowest = std::numeric_limits<double>::infinity();
  for (const SignalRun& run : input.runs) {
    double sum = 0;
    for (int call = 0; call < input.calls; ++call) {
      if (always[call]) continue;
      const double value = Contribution(run.x[call], options);
      if (!(value > 0)) continue;
      sum += value;
      lowest = std::min(lowest, value);
    }
    highest = std::max(highest, sum);
  }
  highest = std::max(highest * 1.001, 1e-9);
  // From half of the smallest single step: below it nothing is skipped (unless f is negative).
  const double start = std::clamp(lowest / 2, highest * 1e-4, highest);
  std::vector<double> thresholds = {0};
  for (int i = 0; i + 1 < count; ++i) {
    const double t = count > 2 ? static_cast<double>(i) / (count - 2) : 1;
    thresholds.push_back(start * std::pow(highest / start, t));
  }
  return thresholds;
}

double SpeedUp(const ReplayInput& input, double skips) {
  const double calls = input.calls;
  const double skipped = input.ms_call > 0 ? input.ms_skipped / input.ms_call : 0;
  return calls / (calls - skips + skips * skipped);
}

}  // namespace teacache
