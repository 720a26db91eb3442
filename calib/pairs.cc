#include "calib/pairs.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "datasets/base/error.h"
#include "datasets/base/statistics.h"

namespace teacache {
namespace {

struct Measured {
  L1Sums x;
  L1Sums y;
  Pair pair;
};

// (prompt, seed, call): the branches of one transformer call of one run.
using CallKey = std::tuple<int, int64_t, int>;

bool Wanted(const TraceRow& row, int calls, const PairOptions& options) {
  if (row.call == 0) return false;
  if (options.expert && row.expert != *options.expert) return false;
  if (row.step < options.first_step) return false;
  if (options.last_step >= 0 && row.step > options.last_step) return false;
  if (options.drop_first_call && row.call == 1) return false;
  if (options.drop_last_call && row.call == calls - 1) return false;
  if (!options.forced_calls.empty() && options.forced_calls[row.call]) return false;
  using Branches = PairOptions::Branches;
  if (options.branches == Branches::kCond) return row.branch == "cond" || row.branch == "batched";
  if (options.branches == Branches::kUncond) return row.branch == "uncond";
  return true;
}

int IndexOf(const std::string& name,
            std::map<std::string, int>* index,
            std::vector<std::string>* names) {
  const auto [it, inserted] = index->try_emplace(name, static_cast<int>(names->size()));
  if (inserted) names->push_back(name);
  return it->second;
}

// Rows whose previous call of the same run and branch was another expert's: the two models' tensors
// cannot be compared.
std::vector<bool> ExpertChanges(const Trace& trace) {
  std::vector<bool> changes(trace.rows.size(), false);
  if (Experts(trace).size() < 2) return changes;
  std::map<std::tuple<std::string, int64_t, std::string, int>, std::string> experts;
  for (const TraceRow& row : trace.rows) {
    experts[{row.prompt, row.seed, row.branch, row.call}] = row.expert;
  }
  for (size_t i = 0; i < trace.rows.size(); ++i) {
    const TraceRow& row = trace.rows[i];
    const auto previous = experts.find({row.prompt, row.seed, row.branch, row.call - 1});
    changes[i] = previous != experts.end() && previous->second != row.expert;
  }
  return changes;
}

// Worst: keeps the pair of the branch whose target changed most. Average: adds the sums.
std::vector<Measured> Combine(std::vector<Measured> all, PairOptions::Branches branches) {
  std::map<CallKey, Measured> calls;
  for (Measured& m : all) {
    const CallKey key = {m.pair.prompt, m.pair.seed, m.pair.call};
    const auto [it, inserted] = calls.try_emplace(key, m);
    if (inserted) continue;
    Measured& kept = it->second;
    if (branches == PairOptions::Branches::kAverage) {
      kept.x += m.x;
      kept.y += m.y;
    } else if (m.y.Ratio() > kept.y.Ratio()) {
      kept = m;
    }
  }
  std::vector<Measured> combined;
  for (auto& [key, m] : calls) combined.push_back(m);
  return combined;
}

}  // namespace

PairSet ExtractPairs(const Trace& trace, const PairOptions& options) {
  const int calls = trace.header.calls;
  if (!options.forced_calls.empty() && static_cast<int>(options.forced_calls.size()) != calls) {
    ThrowUserError(
        "pairs", "forced calls must be {} but are {}", calls, options.forced_calls.size());
  }
  PairSet set;
  set.steps = trace.header.steps;
  set.calls = calls;
  set.expert = options.expert.value_or("");
  std::map<std::string, int> prompt_index;
  std::map<std::string, int> branch_index;
  std::vector<Measured> measured;
  int64_t unmeasured = 0;
  int64_t zero = 0;
  const std::vector<bool> expert_changes = ExpertChanges(trace);
  for (size_t i = 0; i < trace.rows.size(); ++i) {
    const TraceRow& row = trace.rows[i];
    // Prompts are numbered as they come, wanted or not, so that numbers do not depend on options.
    const int prompt = IndexOf(row.prompt, &prompt_index, &set.prompts);
    if (!Wanted(row, calls, options) || expert_changes[i]) continue;
    const L1Sums& y = options.target == PairOptions::Target::kResidual ? row.res : row.out;
    if (!row.mod.measured() || !y.measured()) {
      ++unmeasured;
    } else if (!(row.mod.prev_l1 > 0) || !(y.prev_l1 > 0)) {
      ++zero;
    } else {
      Pair pair;
      pair.prompt = prompt;
      pair.branch = IndexOf(row.branch, &branch_index, &set.branches);
      pair.seed = row.seed;
      pair.call = row.call;
      pair.step = row.step;
      measured.push_back({row.mod, y, pair});
    }
  }
  using Branches = PairOptions::Branches;
  if (options.branches == Branches::kWorst || options.branches == Branches::kAverage) {
    measured = Combine(std::move(measured), options.branches);
    set.branches = {ToString(options.branches)};
    for (Measured& m : measured) m.pair.branch = 0;
  }
  for (Measured& m : measured) {
    m.pair.x = m.x.Ratio();
    m.pair.y = m.y.Ratio();
    set.pairs.push_back(m.pair);
  }
  std::stable_sort(set.pairs.begin(), set.pairs.end(), [](const Pair& a, const Pair& b) {
    return std::tie(a.prompt, a.seed, a.branch, a.call) <
           std::tie(b.prompt, b.seed, b.branch, b.call);
  });
  if (zero > 0) {
    set.warnings.push_back(
        fmt::format("{} rows have a zero denominator (prev_l1) and were left out", zero));
  }
  if (unmeasured > 0 && !set.pairs.empty()) {
    set.warnings.push_back(
        fmt::format("{} rows lack the modulated input or the {} and were left out",
                    unmeasured,
                    ToString(options.target)));
  }
  if (set.pairs.empty()) {
    ThrowUserError(
        "pairs",
        "trace must have pairs of modulated input and {}{}{} in the chosen steps but has "
        "none ({} rows, {} without these measurements, {} with zero denominators)",
        ToString(options.target),
        options.expert ? fmt::format(" of expert \"{}\"", *options.expert) : "",
        options.branches == Branches::kAll
            ? ""
            : fmt::format(" of branches \"{}\"", ToString(options.branches)),
        trace.rows.size(),
        unmeasured,
        zero);
  }
  return set;
}

std::vector<std::string> Experts(const Trace& trace) {
  std::set<std::string> experts;
  for (const TraceRow& row : trace.rows) experts.insert(row.expert);
  return {experts.begin(), experts.end()};
}

std::string ToString(PairOptions::Target target) {
  return std::string(NameOf(kPairTargets, target));
}

std::string ToString(PairOptions::Branches branches) {
  return std::string(NameOf(kPairBranches, branches));
}

bool PromptsKnown(const PairSet& set) { return set.calls > 0 || set.prompts.size() > 1; }

std::vector<double> Xs(const PairSet& set) {
  std::vector<double> xs;
  xs.reserve(set.pairs.size());
  for (const Pair& pair : set.pairs) xs.push_back(pair.x);
  return xs;
}

std::vector<double> Ys(const PairSet& set) {
  std::vector<double> ys;
  ys.reserve(set.pairs.size());
  for (const Pair& pair : set.pairs) ys.push_back(pair.y);
  return ys;
}

std::vector<double> Weights(const PairSet& set) {
  std::vector<double> weights;
  bool equal = true;
  for (const Pair& pair : set.pairs) {
    weights.push_back(pair.weight);
    equal = equal && pair.weight == 1;
  }
  if (equal) weights.clear();
  return weights;
}

std::vector<double> MakeWeights(const PairSet& pairs, const std::string& kind) {
  if (kind == "none") return {};
  if (kind != "steps" && kind != "variance") {
    ThrowUserError("weights", "must be none, steps or variance but is \"{}\"", kind);
  }
  std::map<int, std::vector<double>> ys;
  for (const Pair& pair : pairs.pairs) ys[pair.call].push_back(pair.y);
  std::map<int, double> weight_of;
  for (const auto& [call, values] : ys) {
    if (kind == "steps") {
      weight_of[call] = 1 / static_cast<double>(values.size());
      continue;
    }
    const double mean = Mean(values);
    double variance = 0;
    for (double y : values) variance += (y - mean) * (y - mean);
    if (values.size() < 2 || !(variance > 0)) {
      ThrowUserError("weights",
                     "variance weights need y to vary at every call but call {} has {} pairs{}",
                     call,
                     values.size(),
                     values.size() > 1 ? " with the same y" : "");
    }
    weight_of[call] = static_cast<double>(values.size() - 1) / variance;
  }
  std::vector<double> weights;
  for (const Pair& pair : pairs.pairs) weights.push_back(weight_of[pair.call]);
  const double mean = Mean(weights);
  for (double& weight : weights) weight /= mean;
  return weights;
}

PairSet WithoutCalls(PairSet set, const std::vector<bool>& forced_calls) {
  std::erase_if(set.pairs, [&](const Pair& pair) {
    return pair.call < static_cast<int>(forced_calls.size()) && forced_calls[pair.call];
  });
  return set;
}

}  // namespace teacache
