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

std::vector<EngineRule> MakeRules() {
  using Sign = EngineRule::Sign;
  using Epsilon = EngineRule::Epsilon;
  std::vector<EngineRule> rules;
  const auto add = [&rules](std::string name, std::string description) {
    rules.emplace_back();
    rules.back().name = std::move(name);
    rules.back().description = std::move(description);
    return &rules.back();
  };
  add("teacache", "ali-vilab/TeaCache: raw f, first and last call computed");
  EngineRule* rule =
      add("teacache-ret", "TeaCache with use_ret_steps (Wan2.1): raw f, first 5 calls");
  rule->first_computed = 5;
  rule->last_computed = 0;
  rule = add("sglang", "SGLang: raw f, start_skipping 5, last call computed");
  rule->first_computed = 5;
  add("xdit", "xDiT: raw f, first and last call computed");
  rule = add("comfyui", "ComfyUI-TeaCache, all models but FLUX: raw f, first call computed");
  rule->last_computed = 0;
  rule = add("comfyui-flux", "ComfyUI-TeaCache for FLUX: |f|, first call computed");
  rule->sign = Sign::kAbsolute;
  rule->last_computed = 0;
  rule = add("vllm-omni", "vLLM-Omni: |f|, first call computed, 1e-8 added to mean|previous|");
  rule->sign = Sign::kAbsolute;
  rule->last_computed = 0;
  rule->epsilon_kind = Epsilon::kAdd;
  rule->epsilon = 1e-8;
  rule = add("tensorrt-llm", "TensorRT-LLM: |f|, sum capped at 2 thresholds, first and last call");
  rule->sign = Sign::kAbsolute;
  rule->cap = 2;
  rule->epsilon_kind = Epsilon::kAdd;
  rule->epsilon = 1e-8;
  rule = add("tensorrt-llm-ret", "TensorRT-LLM with use_ret_steps: first 5 calls, no cut-off");
  rule->sign = Sign::kAbsolute;
  rule->cap = 2;
  rule->epsilon_kind = Epsilon::kAdd;
  rule->epsilon = 1e-8;
  rule->first_computed = 5;
  rule->last_computed = 0;
  rule = add("wan2gp", "Wan2GP: |f|, first and last call computed");
  rule->sign = Sign::kAbsolute;
  rule = add("difflet", "Difflet: |f|, 5 calls of warm-up and of cool-down");
  rule->sign = Sign::kAbsolute;
  rule->first_computed = 5;
  rule->last_computed = 5;
  rule->epsilon_kind = Epsilon::kFloor;
  rule->epsilon = 1e-8;
  rule = add("mlx-teacache",
             "mlx-teacache: max(0, f), range guard, at most 8 skips in a row, first and last call");
  rule->sign = Sign::kClamp;
  rule->epsilon_kind = Epsilon::kFloor;
  rule->epsilon = 1e-12;
  rule->keeps_sum_when_forced = true;
  rule->seeds_cache = true;
  rule->max_consecutive_skips = 8;
  rule->guards_range = true;
  return rules;
}

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

// State of all thresholds at one moment of one run: plain arrays, so that the compiler can take
// several thresholds into one instruction.
struct Lanes {
  explicit Lanes(size_t n) : sum(n), skips(n), streak(n), longest(n) {}

  void Reset() {
    std::fill(sum.begin(), sum.end(), 0.0);
    std::fill(skips.begin(), skips.end(), 0.0);
    std::fill(streak.begin(), streak.end(), 0.0);
  }

  std::vector<double> sum;
  std::vector<double> skips;
  std::vector<double> streak;   // skips in a row until now
  std::vector<double> longest;  // of all runs
};

void AdvanceLanes(double value,
                  const std::vector<double>& thresholds,
                  double cap,
                  double max_streak,
                  Lanes* lanes) {
  const size_t n = thresholds.size();
  const double* threshold = thresholds.data();
  double* sum = lanes->sum.data();
  double* skips = lanes->skips.data();
  double* streak = lanes->streak.data();
  double* longest = lanes->longest.data();
  for (size_t t = 0; t < n; ++t) {
    const double next = std::min(sum[t] + value, cap * threshold[t]);
    const bool skip = (next < threshold[t]) & (streak[t] < max_streak);
    sum[t] = skip ? next : 0.0;
    skips[t] += skip ? 1.0 : 0.0;
    streak[t] = skip ? streak[t] + 1.0 : 0.0;
    longest[t] = std::max(longest[t], streak[t]);
  }
}

}  // namespace

const std::vector<EngineRule>& EngineRules() {
  static const std::vector<EngineRule> rules = MakeRules();
  return rules;
}

const EngineRule& FindEngineRule(const std::string& name) {
  std::vector<std::string> names;
  for (const EngineRule& rule : EngineRules()) {
    if (rule.name == name) return rule;
    names.push_back(rule.name);
  }
  ThrowUserError("engine", "must be one of {} but is \"{}\"", fmt::join(names, ", "), name);
}

std::vector<bool> ForcedCalls(const EngineRule& rule, int calls) {
  std::vector<bool> forced(calls, false);
  for (int call = 0; call < calls; ++call) {
    forced[call] = call < std::max(1, rule.first_computed) || call >= calls - rule.last_computed;
  }
  return forced;
}

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
    ReplayedRun replayed;
    replayed.computed = ReplayRun(run, options);
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
    summary.runs.push_back(std::move(replayed));
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
  Lanes lanes(n);
  for (const SignalRun& run : input.runs) {
    lanes.Reset();
    for (int call = 0; call < input.calls; ++call) {
      const double value = always[call] ? kNan : Contribution(run.x[call], options);
      if (std::isnan(value)) {
        const bool keep = forced[call] && rule.keeps_sum_when_forced;
        if (!keep) std::fill(lanes.sum.begin(), lanes.sum.end(), 0.0);
        std::fill(lanes.streak.begin(), lanes.streak.end(), 0.0);
      } else {
        AdvanceLanes(value, thresholds, cap, max_streak, &lanes);
      }
    }
    for (size_t t = 0; t < n; ++t) {
      const int skips = thresholds[t] > 0 ? static_cast<int>(lanes.skips[t]) : 0;
      points[t].mean_skips += skips;
      points[t].min_skips = std::min(points[t].min_skips, skips);
      points[t].max_skips = std::max(points[t].max_skips, skips);
    }
  }
  for (size_t t = 0; t < n; ++t) {
    points[t].mean_skips /= static_cast<double>(input.runs.size());
    points[t].longest_run = thresholds[t] > 0 ? static_cast<int>(lanes.longest[t]) : 0;
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
