#include "calib/plan/plan_schedules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "calib/rules/cache_policy.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/version.h"

namespace teacache {
namespace {

constexpr size_t kFewestPrompts = 2;

// Costs of each prompt, the mean over its runs.
using PromptCosts = std::vector<SegmentCostTable>;

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

SegmentCostTable MeanOf(const PromptCosts& prompts, std::optional<size_t> left_out = {}) {
  SegmentCostTable mean;
  const auto n = static_cast<double>(prompts.size() - (left_out ? 1 : 0));
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (i == left_out) continue;
    for (const auto& [segment, cost] : prompts[i]) mean[segment] += cost / n;
  }
  return mean;
}

struct Runs {
  std::vector<std::string> names;  // of the prompts
  PromptCosts prompts;
  int runs = 0;
};

// Every run must have the segments of the first one.
Runs RunsOf(const SegmentCosts& costs, size_t fewest_prompts) {
  std::map<std::string, std::map<int64_t, SegmentCostTable>> tables;
  for (const SegmentCost& row : costs.rows) tables[row.prompt][row.seed][row.segment] = row.error;
  if (tables.size() < fewest_prompts) {
    ThrowUserError("costs",
                   "must be of at least {} prompts, so that one can be left out, but are of {}",
                   fewest_prompts,
                   tables.size());
  }
  Runs runs;
  const SegmentCostTable& first = tables.begin()->second.begin()->second;
  for (const auto& [prompt, seeds] : tables) {
    runs.names.push_back(prompt);
    SegmentCostTable& mean = runs.prompts.emplace_back();
    for (const auto& [seed, table] : seeds) {
      ++runs.runs;
      const bool same = std::ranges::equal(
          table, first, [](const auto& a, const auto& b) { return a.first == b.first; });
      if (!same) {
        ThrowUserError("costs",
                       "must be of the same segments in every run but seed {} of \"{}\" has {} and "
                       "another run {}; record-diffs completes them when it runs again",
                       seed,
                       prompt,
                       table.size(),
                       first.size());
      }
      for (const auto& [segment, cost] : table) {
        mean[segment] += cost / static_cast<double>(seeds.size());
      }
    }
  }
  return runs;
}

// By call, of prompts but `left_out`; empty = none.
std::vector<double> WeightsOf(const SegmentCostTable& residual,
                              const Runs& outcomes,
                              const std::string& left_out,
                              int calls) {
  PromptCosts prompts;
  for (size_t i = 0; i < outcomes.prompts.size(); ++i) {
    if (outcomes.names[i] != left_out) prompts.push_back(outcomes.prompts[i]);
  }
  if (prompts.empty()) prompts = outcomes.prompts;
  const SegmentCostTable latent = MeanOf(prompts);
  std::vector<double> weights(calls, 1);
  for (int call = 1; call < calls; ++call) {
    const Segment alone{call, 1, {}};
    const auto outcome = latent.find(alone);
    const auto error = residual.find(alone);
    if (outcome == latent.end() || error == residual.end()) {
      ThrowUserError("--outcome",
                     "must be of every single call, as the costs with the last residual must, but "
                     "call {} is missing (record-diffs --costs 1 --outcome)",
                     call);
    }
    weights[call] = error->second > 0 ? outcome->second / error->second : 0;
  }
  return weights;
}

// Costs are sums over the calls of a segment.
SegmentCostTable Weighted(const SegmentCostTable& costs, const std::vector<double>& weights) {
  SegmentCostTable weighted;
  for (const auto& [segment, cost] : costs) {
    Segment shorter = segment;
    --shorter.skipped;
    const auto before = costs.find(shorter);
    const bool known = before != costs.end();
    if (!known && segment.skipped > 1) continue;  // damaged: its single calls are unknown
    const double own = cost - (known ? before->second : 0);
    const double weight = weights[segment.start + segment.skipped - 1];
    weighted[segment] = (known ? weighted.at(shorter) : 0) + weight * std::max(own, 0.0);
  }
  return weighted;
}

std::vector<int> OrdersOf(const SegmentCostTable& costs, int asked) {
  std::set<int> orders;
  for (const auto& [segment, cost] : costs) orders.insert(segment.order());
  if (asked < 0) return {orders.begin(), orders.end()};
  if (!orders.contains(asked)) {
    ThrowUserError("--forecast",
                   "must be an order that the costs are of ({}) but is {}",
                   fmt::join(orders, ", "),
                   asked);
  }
  return {asked};
}

// Whether one list of costs, largest first, is better than another of as many computed calls.
bool IsBetter(PlanObjective objective, const std::vector<double>& a, const std::vector<double>& b) {
  if (objective == PlanObjective::kSum) return Sum(a) < Sum(b);
  if (objective == PlanObjective::kSquares) {
    return std::inner_product(a.begin(), a.end(), a.begin(), 0.0) <
           std::inner_product(b.begin(), b.end(), b.begin(), 0.0);
  }
  return a < b;
}

struct Candidate {
  std::vector<bool> computed;
  int order = 0;
  std::vector<double> costs;
};

using Frontier = std::vector<std::optional<Candidate>>;  // by computed calls - 1

// The best of all orders for each number of computed calls.
Frontier BestOf(const SegmentCostTable& costs,
                int calls,
                const std::vector<int>& orders,
                const PlanOptions& options) {
  Frontier best(calls);
  for (const int order : orders) {
    auto frontier = PlanFrontier(costs, calls, order, options.objective, options.limits);
    // A forecast of more computed calls than there are is one of a lower order.
    for (int computed = order + 1; computed <= calls; ++computed) {
      std::optional<std::vector<bool>>& schedule = frontier[computed - 1];
      if (!schedule) continue;
      Candidate candidate{std::move(*schedule), order, {}};
      candidate.costs = CostsOf(candidate.computed, order, costs).value();
      std::optional<Candidate>& known = best[computed - 1];
      if (!known || IsBetter(options.objective, candidate.costs, known->costs)) {
        known = std::move(candidate);
      }
    }
  }
  return best;
}

double CostOn(const SegmentCostTable& costs, const std::vector<bool>& computed, int order) {
  const auto found = CostsOf(computed, order, costs);
  return found ? Sum(*found) : std::numeric_limits<double>::quiet_NaN();
}

std::vector<int> Budgets(const Frontier& frontier, const std::vector<int>& asked) {
  std::vector<int> possible;
  for (size_t i = 0; i < frontier.size(); ++i) {
    if (frontier[i]) possible.push_back(static_cast<int>(i) + 1);
  }
  if (possible.empty()) ThrowUserError("plan", "nothing can be skipped within these limits");
  if (asked.empty()) return possible;
  std::vector<int> budgets = asked;
  std::ranges::sort(budgets);
  budgets.erase(std::unique(budgets.begin(), budgets.end()), budgets.end());
  for (const int budget : budgets) {
    if (std::ranges::find(possible, budget) == possible.end()) {
      ThrowUserError("--budget",
                     "must be {} to {} computed calls, which can be planned from these costs, but "
                     "is {}",
                     possible.front(),
                     possible.back(),
                     budget);
    }
  }
  return budgets;
}

void CheckOutcomes(const SegmentCosts& costs, const SegmentCosts& outcomes) {
  if (outcomes.measure != "latent" || costs.measure != "residual") {
    ThrowUserError("--outcome",
                   "must be errors of the latent, and the costs of the residual, but they are of "
                   "the {} and of the {}",
                   outcomes.measure,
                   costs.measure);
  }
  SchedulePlan plan;
  plan.recipe = costs.recipe;
  CheckPlanBelongs(plan, outcomes.recipe, "--outcome");
}

}  // namespace

PlanResult PlanSchedules(const SegmentCosts& costs,
                         const SegmentCosts& outcomes,
                         const PlanOptions& options) {
  const int calls = costs.recipe.calls;
  const Runs runs = RunsOf(costs, kFewestPrompts);
  const SegmentCostTable unweighted = MeanOf(runs.prompts);
  const bool weighted = !outcomes.rows.empty();
  if (weighted) CheckOutcomes(costs, outcomes);
  const Runs single = weighted ? RunsOf(outcomes, 1) : Runs();
  // With the weights of all prompts but one.
  const auto weigh = [&](const SegmentCostTable& table, const std::string& left_out) {
    return weighted ? Weighted(table, WeightsOf(unweighted, single, left_out, calls)) : table;
  };
  const SegmentCostTable mean = weigh(unweighted, "");
  const std::vector<int> orders = OrdersOf(mean, options.forecast);
  const Frontier frontier = BestOf(mean, calls, orders, options);
  PlanResult result;
  result.warnings = costs.warnings;
  SchedulePlan& plan = result.plan;
  plan.recipe = costs.recipe;
  plan.recipe.part = 0;
  plan.recipe.parts = 1;
  plan.recipe.tool_version = kVersion;
  plan.measure = weighted ? "weighted" : costs.measure;
  plan.objective = NameOf(kPlanObjectives, options.objective);
  plan.prompts = static_cast<int>(runs.prompts.size());
  plan.runs = runs.runs;
  plan.first = options.limits.first;
  plan.last = options.limits.last;
  plan.longest = options.limits.longest;
  for (const auto& [segment, cost] : mean) {
    if (options.limits.longest == 0) plan.longest = std::max(plan.longest, segment.skipped);
  }
  const std::vector<int> budgets = Budgets(frontier, options.budgets);
  for (const int budget : budgets) {
    const Candidate& best = *frontier[budget - 1];
    PlannedSchedule schedule{best.computed, best.order, Sum(best.costs), 0, 0.0};
    if (!best.costs.empty()) schedule.worst = best.costs.front();
    plan.schedules.push_back(std::move(schedule));
    result.comparisons.push_back({budget, 0, 0});
  }
  const double share = 1 / static_cast<double>(runs.prompts.size());
  for (size_t prompt = 0; prompt < runs.prompts.size(); ++prompt) {
    const SegmentCostTable own = weigh(runs.prompts[prompt], "");
    const SegmentCostTable rest = weigh(MeanOf(runs.prompts, prompt), runs.names[prompt]);
    const Frontier others = BestOf(rest, calls, orders, options);
    const Frontier alone = BestOf(own, calls, orders, options);
    for (size_t i = 0; i < budgets.size(); ++i) {
      PlannedSchedule& schedule = plan.schedules[i];
      const int at = budgets[i] - 1;
      *schedule.left_out += share * CostOn(own, others[at]->computed, others[at]->order);
      result.comparisons[i].own += share * Sum(alone[at]->costs);
      // One call is not spaced.
      const std::vector<bool> even =
          budgets[i] > 1 ? UniformMask(calls, budgets[i]) : schedule.computed;
      result.comparisons[i].even += share * CostOn(own, even, schedule.forecast);
    }
  }
  return result;
}

PlanResult PlanSchedules(const PlanOptions& options) {
  if (options.costs.empty()) ThrowUserError("costs", "at least one file is required");
  std::vector<std::string> files = options.costs;
  files.insert(files.end(), options.outcomes.begin(), options.outcomes.end());
  PlanResult result =
      PlanSchedules(MergeSegmentCosts(options.costs), MergeSegmentCosts(options.outcomes), options);
  std::string digests;
  for (const std::string& path : files) digests += Sha256HexOfFile(path);
  result.plan.costs_sha256 = files.size() == 1 ? digests : Sha256Hex(digests);
  return result;
}

std::string PlanText(const PlanResult& result) {
  const SchedulePlan& plan = result.plan;
  std::string text = fmt::format(
      "{} calls of {}, planned on {} prompts ({} runs) by the {} of {} errors; at most {} skipped in "
      "a row\n"
      "Mean cost of a prompt by the plan; planned on the other prompts; planned for it alone; even "
      "skipping\n"
      "{:>8} {:>8} {:>10} {:>10} {:>10} {:>10}  schedule (C computed, S skipped)\n",
      plan.recipe.calls,
      plan.recipe.model,
      plan.prompts,
      plan.runs,
      plan.objective == "sum"       ? "smallest sum"
      : plan.objective == "squares" ? "smallest sum of squares"
                                    : "smallest worst",
      plan.measure,
      plan.longest,
      "computed",
      "forecast",
      "plan",
      "left out",
      "own",
      "even");
  for (size_t i = 0; i < plan.schedules.size(); ++i) {
    const PlannedSchedule& schedule = plan.schedules[i];
    const PlanComparison& other = result.comparisons[i];
    std::string calls;
    for (const bool computed : schedule.computed) calls += computed ? 'C' : 'S';
    text += fmt::format("{:>8} {:>8} {:>10.4g} {:>10.4g} {:>10.4g} {:>10}  {}\n",
                        other.computed,
                        schedule.forecast,
                        schedule.cost,
                        schedule.left_out.value_or(0),
                        other.own,
                        std::isnan(other.even) ? "-" : fmt::format("{:.4g}", other.even),
                        calls);
  }
  return text;
}

}  // namespace teacache
