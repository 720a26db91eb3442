#include "calib/pairs.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "calib/copies.h"
#include "datasets/base/error.h"
#include "datasets/base/statistics.h"

namespace teacache {
namespace {

struct Measured {
  L1Sums x;
  L1Sums y;
  Pair pair;
};

// (prompt, seed, part, call): the branches of one transformer call of one run.
using CallKey = std::tuple<int, int64_t, int, int>;

CallKey CallOf(const Pair& pair) { return {pair.prompt, pair.seed, pair.part, pair.call}; }

auto OrderOf(const Pair& pair) {
  return std::tie(pair.prompt, pair.seed, pair.part, pair.branch, pair.call);
}

bool WantsCall(const TraceRow& row, int calls, const PairOptions& options) {
  if (options.expert && row.expert != *options.expert) return false;
  if (row.step < options.first_step) return false;
  if (options.last_step >= 0 && row.step > options.last_step) return false;
  if (options.drop_first_call && row.call == 1) return false;
  if (options.drop_last_call && row.call == calls - 1) return false;
  return options.forced_calls.empty() || !options.forced_calls[row.call];
}

int IndexOf(const std::string& name,
            std::map<std::string, int>* index,
            std::vector<std::string>* names) {
  const auto [it, inserted] = index->try_emplace(name, static_cast<int>(names->size()));
  if (inserted) names->push_back(name);
  return it->second;
}

// Worst: keeps the pair of the branch whose target changed most. Average: adds the sums where all
// of the call's branches give a pair: `branches_of` says how many it has.
std::vector<Measured> Combine(std::vector<Measured> all,
                              PairOptions::Branches branches,
                              const std::map<CallKey, int>& branches_of,
                              LeftOutCounts* left_out) {
  std::map<CallKey, Measured> calls;
  std::map<CallKey, int> added;
  for (Measured& m : all) {
    ++added[CallOf(m.pair)];
    const auto [it, inserted] = calls.try_emplace(CallOf(m.pair), m);
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
  for (auto& [key, m] : calls) {
    if (branches == PairOptions::Branches::kAverage && added[key] < branches_of.at(key)) {
      (*left_out)[LeftOut::kGap] += added[key];
      continue;
    }
    combined.push_back(m);
  }
  return combined;
}

// Why these sums give no pair.
LeftOut JudgeSums(const L1Sums& x, const L1Sums& y) {
  if (!x.measured() || !y.measured()) return LeftOut::kNotMeasured;
  if (!(x.prev_l1 > 0) || !(y.prev_l1 > 0)) return LeftOut::kChangeFromZero;
  return LeftOut::kNone;
}

// How often the target, or the input, was exactly 0 where the other one was not.
struct Zeros {
  int64_t targets = 0;
  int64_t inputs = 0;
  int64_t rows = 0;  // measured

  void Count(const L1Sums& x, const L1Sums& y) {
    if (!x.measured() || !y.measured()) return;
    ++rows;
    if (y.diff_l1 == 0 && y.prev_l1 == 0 && x.diff_l1 > 0) ++targets;
    if (x.diff_l1 == 0 && x.prev_l1 == 0 && y.diff_l1 > 0) ++inputs;
  }
};

constexpr double kAliasShare = 0.1;  // of the measured pairs

// Exact zeros do not happen in floating point.
void RefuseAlias(const std::string& what, int64_t zeros, int64_t rows) {
  if (zeros < 2 || static_cast<double>(zeros) < kAliasShare * static_cast<double>(rows)) return;
  ThrowUserError("pairs",
                 "{} must change but is exactly 0 or unchanged in {} of {} measured rows ({:.0f} "
                 "%), which floating point does not do: the recorder kept a reference to a tensor "
                 "that was overwritten in place (copy it: clone() or numpy.copy), or calls were "
                 "skipped by a cache while it recorded",
                 what,
                 zeros,
                 rows,
                 100.0 * static_cast<double>(zeros) / static_cast<double>(rows));
}

void WarnOfLeftOut(PairSet* set) {
  if (set->left_out.empty()) return;
  std::vector<std::string> parts;
  int64_t total = 0;
  for (const auto& [reason, count] : set->left_out) {
    parts.push_back(Describe(reason, count));
    total += count;
  }
  set->warnings.push_back(
      fmt::format("{} rows give no pair and were left out: {}", total, fmt::join(parts, "; ")));
}

// Whether x is 0 at every second call of this run (pairs in order of calls) and nowhere else.
bool Alternates(const Pair* begin, const Pair* end) {
  constexpr int kFewest = 6;
  int turns = 0;
  int zeros = 0;
  const auto n = static_cast<int>(end - begin);
  for (const Pair* pair = begin; pair != end; ++pair) {
    zeros += pair->x == 0;
    if (pair != begin) turns += (pair->x == 0) != ((pair - 1)->x == 0);
  }
  return n >= kFewest && turns >= 0.8 * (n - 1) && zeros >= 0.4 * n;
}

}  // namespace

PairSet ExtractPairs(const Trace& trace,
                     const PairOptions& options,
                     const std::vector<LeftOut>* judged) {
  const int calls = trace.header.calls;
  if (!options.forced_calls.empty() && static_cast<int>(options.forced_calls.size()) != calls) {
    ThrowUserError(
        "pairs", "forced calls must be {} but are {}", calls, options.forced_calls.size());
  }
  std::vector<LeftOut> own_judged;
  if (judged == nullptr) {
    own_judged = JudgePredecessors(trace);
    judged = &own_judged;
  }
  PairSet set;
  set.steps = trace.header.steps;
  set.calls = calls;
  set.expert = options.expert.value_or("");
  std::map<std::string, int> prompt_index;
  std::map<std::string, int> branch_index;
  std::map<std::pair<int, int>, int> part_index;  // segment and sample
  std::vector<Measured> measured;
  std::map<CallKey, int> branches_of;  // with kAverage only
  Zeros zeros;
  const bool guidance = std::ranges::any_of(
      trace.rows, [](const TraceRow& row) { return IsGuidanceBranch(row.branch); });
  for (size_t i = 0; i < trace.rows.size(); ++i) {
    const TraceRow& row = trace.rows[i];
    // Prompts are numbered as they come, wanted or not, so that numbers do not depend on options.
    const int prompt = IndexOf(row.prompt, &prompt_index, &set.prompts);
    if (!WantsCall(row, calls, options)) continue;
    const L1Sums& y = options.target == PairOptions::Target::kResidual ? row.res : row.out;
    if (row.call == 0 && (*judged)[i] == LeftOut::kNone) continue;
    if (!WantsBranch(options, row.branch, guidance)) {
      // Of the guidance branches one may be asked for; a further one is left out unasked.
      if (!IsGuidanceBranch(row.branch) && guidance) ++set.left_out[LeftOut::kOtherBranch];
      continue;
    }
    Pair pair;
    pair.prompt = prompt;
    pair.part =
        part_index.try_emplace({row.segment, row.sample}, static_cast<int>(part_index.size()))
            .first->second;
    pair.seed = row.seed;
    pair.call = row.call;
    pair.step = row.step;
    if (options.branches == PairOptions::Branches::kAverage) ++branches_of[CallOf(pair)];
    LeftOut reason = (*judged)[i];
    if (reason == LeftOut::kNone) {
      zeros.Count(row.mod, y);
      reason = JudgeSums(row.mod, y);
    }
    if (reason != LeftOut::kNone) {
      ++set.left_out[reason];
      continue;
    }
    pair.branch = IndexOf(row.branch, &branch_index, &set.branches);
    measured.push_back({row.mod, y, pair});
  }
  RefuseAlias("the " + ToString(options.target), zeros.targets, zeros.rows);
  RefuseAlias("the modulated input", zeros.inputs, zeros.rows);
  using Branches = PairOptions::Branches;
  if (options.branches == Branches::kWorst || options.branches == Branches::kAverage) {
    measured = Combine(std::move(measured), options.branches, branches_of, &set.left_out);
    set.branches = {ToString(options.branches)};
    for (Measured& m : measured) m.pair.branch = 0;
  }
  for (Measured& m : measured) {
    m.pair.x = m.x.Ratio();
    m.pair.y = m.y.Ratio();
    set.pairs.push_back(m.pair);
  }
  std::stable_sort(set.pairs.begin(), set.pairs.end(), [](const Pair& a, const Pair& b) {
    return OrderOf(a) < OrderOf(b);
  });
  if (set.pairs.empty()) {
    std::vector<std::string> reasons;
    for (const auto& [reason, count] : set.left_out) reasons.push_back(Describe(reason, count));
    ThrowUserError("pairs",
                   "trace must have pairs of modulated input and {}{}{} in the chosen steps but "
                   "has none ({} rows{}{})",
                   ToString(options.target),
                   options.expert ? fmt::format(" of expert \"{}\"", *options.expert) : "",
                   options.branches == Branches::kAll
                       ? ""
                       : fmt::format(" of branches \"{}\"", BranchesName(options)),
                   trace.rows.size(),
                   reasons.empty() ? "" : ": ",
                   fmt::join(reasons, "; "));
  }
  CheckPairs(&set);
  WarnOfLeftOut(&set);
  return set;
}

bool IsGuidanceBranch(std::string_view branch) {
  for (const char* name : {"batched", "cond", "uncond", "pos", "neg"}) {
    if (branch == name) return true;
  }
  return false;
}

bool WantsBranch(const PairOptions& options, std::string_view branch, bool guidance) {
  using Branches = PairOptions::Branches;
  switch (options.branches) {
    case Branches::kCond:
      return branch == "cond" || branch == "batched" || branch == "pos";
    case Branches::kUncond:
      return branch == "uncond" || branch == "neg";
    case Branches::kNamed:
      return branch == options.branch;
    case Branches::kAll:
    case Branches::kWorst:
    case Branches::kAverage:
      break;
  }
  return !guidance || IsGuidanceBranch(branch);
}

void CheckPairs(PairSet* set) {
  std::vector<Pair>& pairs = set->pairs;
  const auto is_still = [](const Pair& pair) { return pair.y == 0 && pair.x > 0; };
  const int64_t still = std::ranges::count_if(pairs, is_still);
  if (still > 0) {
    RefuseAlias("the target", still, static_cast<int64_t>(pairs.size()));
    std::erase_if(pairs, is_still);
    set->left_out[LeftOut::kNoChange] += still;
  }
  int64_t runs = 0;
  int64_t alternating = 0;
  for (size_t i = 0; i < pairs.size();) {
    size_t end = i;
    const auto run = [](const Pair& p) { return std::tie(p.prompt, p.seed, p.part, p.branch); };
    while (end < pairs.size() && run(pairs[end]) == run(pairs[i])) ++end;
    ++runs;
    alternating += Alternates(&pairs[i], pairs.data() + end);
    i = end;
  }
  if (2 * alternating <= runs) return;
  set->wrong = fmt::format(
      "Every second x is exactly 0 in {} of {} runs: this looks like two branches (conditional and "
      "unconditional) recorded as one sequence, each compared with the other instead of with its "
      "own previous call. Record the branches apart (a column or field \"branch\", calls counted in "
      "each); do not use these coefficients.",
      alternating,
      runs);
  set->warnings.push_back(set->wrong);
}

std::string RemoveCopies(PairSet* set) {
  RunDigests digests;
  for (const Pair& pair : set->pairs) {
    RowDigest digest;
    for (const int number : {pair.branch, pair.part, pair.call}) digest.Add(number);
    digest.Add(pair.x);
    digest.Add(pair.y);
    digests.Add(set->prompts[pair.prompt], pair.seed, digest, pair.y > 0);
  }
  const CopiedRuns copies = digests.Copies();
  if (copies.runs.empty()) return "";
  const size_t before = set->pairs.size();
  std::erase_if(set->pairs, [&](const Pair& pair) {
    return copies.runs.contains({set->prompts[pair.prompt], pair.seed});
  });
  set->left_out[LeftOut::kCopy] += static_cast<int64_t>(before - set->pairs.size());
  std::vector<int> renumbered(set->prompts.size(), -1);
  std::vector<std::string> kept;
  for (Pair& pair : set->pairs) {
    int& index = renumbered[pair.prompt];
    if (index < 0) {
      index = static_cast<int>(kept.size());
      kept.push_back(set->prompts[pair.prompt]);
    }
    pair.prompt = index;
  }
  set->prompts = std::move(kept);
  return copies.text;
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

std::string BranchesName(const PairOptions& options) {
  return options.branches == PairOptions::Branches::kNamed ? options.branch
                                                           : ToString(options.branches);
}

void SetBranches(const std::string& text, PairOptions* options) {
  using Branches = PairOptions::Branches;
  options->branches = Branches::kNamed;
  options->branch = text;
  for (const auto& [name, known] : kPairBranches) {
    if (name == text && known != Branches::kNamed) {
      options->branches = known;
      options->branch.clear();
    }
  }
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
