#include "calib/plan/planner.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A computed call and the gaps of the forecast after it: all that later costs depend on.
struct Node {
  int call = 0;
  std::vector<int> gaps;

  auto operator<=>(const Node&) const = default;
};

// To the next computed call.
struct Edge {
  int to = 0;  // index of a node
  double cost = 0;
};

// The schedules as paths through the nodes, from call 0 to the end of the run.
class Graph {
 public:
  Graph(const SegmentCostTable& costs, int calls, int order, const PlanLimits& limits)
      : costs_(costs), calls_(calls), order_(order), limits_(limits) {
    for (const auto& [segment, cost] : costs) longest_ = std::max(longest_, segment.skipped);
    if (limits.longest > 0) longest_ = std::min(longest_, limits.longest);
    // Later nodes are added behind the one that is looked at.
    std::map<Node, std::vector<std::pair<Node, double>>> next;
    next[{0, {}}];
    for (auto& [node, edges] : next) {
      edges = NextOf(node);
      for (const auto& [to, cost] : edges) next[to];
    }
    std::map<Node, int> index;
    for (const auto& [node, edges] : next) {
      index[node] = static_cast<int>(nodes_.size());
      nodes_.push_back(node);
    }
    edges_.resize(nodes_.size());
    for (const auto& [node, edges] : next) {
      for (const auto& [to, cost] : edges) edges_[index[node]].push_back({index[to], cost});
    }
  }

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Edge>& EdgesFrom(int node) const { return edges_[node]; }
  // Of skipping all calls after a node; infinite where that is not allowed.
  double CostToEnd(int node) const { return CostOf(nodes_[node], calls_ - 1 - nodes_[node].call); }

 private:
  double CostOf(const Node& node, int skipped) const {
    if (skipped == 0) return 0;
    if (skipped > longest_) return kInfinity;
    const int start = node.call + 1;
    if (start < limits_.first || start + skipped > calls_ - limits_.last) return kInfinity;
    const auto found = costs_.find({start, skipped, node.gaps});
    return found == costs_.end() ? kInfinity : found->second;
  }

  std::vector<std::pair<Node, double>> NextOf(const Node& node) const {
    std::vector<std::pair<Node, double>> next;
    for (int skipped = 0; skipped <= longest_; ++skipped) {
      Node to{node.call + skipped + 1, node.gaps};
      if (to.call >= calls_) break;
      const double cost = CostOf(node, skipped);
      if (cost == kInfinity) continue;
      to.gaps.insert(to.gaps.begin(), skipped + 1);
      if (std::ssize(to.gaps) > order_) to.gaps.resize(order_);
      next.emplace_back(std::move(to), cost);
    }
    return next;
  }

  const SegmentCostTable& costs_;
  int calls_;
  int order_;
  PlanLimits limits_;
  int longest_ = 0;
  std::vector<Node> nodes_;  // ascending
  std::vector<std::vector<Edge>> edges_;
};

// What a path costs so far. Both are ordered and keep their order when the same cost is added to
// two paths.
struct SumCost {
  double sum = 0;

  SumCost Plus(double cost) const { return {sum + cost}; }
  bool IsBetter(const SumCost& other) const { return sum < other.sum; }
};

struct MinimaxCost {
  std::vector<double> costs;  // above 0, largest first

  MinimaxCost Plus(double cost) const {
    MinimaxCost more = *this;
    if (cost > 0) {
      more.costs.insert(std::ranges::upper_bound(more.costs, cost, std::greater<>()), cost);
    }
    return more;
  }
  bool IsBetter(const MinimaxCost& other) const { return costs < other.costs; }
};

// The nodes of a path from its last one back.
std::vector<bool> ScheduleOf(const Graph& graph,
                             const std::vector<std::vector<int>>& parents,
                             int calls,
                             int layer,
                             int node) {
  std::vector<bool> computed(calls, false);
  for (; layer >= 0; --layer) {
    computed[graph.nodes()[node].call] = true;
    node = parents[layer][node];
  }
  return computed;
}

template <typename Cost>
std::vector<std::optional<std::vector<bool>>> BestPaths(const Graph& graph, int calls) {
  const auto nodes = static_cast<int>(graph.nodes().size());
  std::vector<std::optional<std::vector<bool>>> frontier;
  std::vector<std::vector<int>> parents = {std::vector<int>(nodes, -1)};
  std::vector<std::optional<Cost>> best(nodes);
  best[0] = Cost();
  for (int layer = 0; layer < calls; ++layer) {
    std::optional<Cost> least;
    int least_node = -1;
    std::vector<std::optional<Cost>> next(nodes);
    std::vector<int> from(nodes, -1);
    for (int node = 0; node < nodes; ++node) {
      if (!best[node]) continue;
      const double end = graph.CostToEnd(node);
      if (end < kInfinity) {
        Cost whole = best[node]->Plus(end);
        if (!least || whole.IsBetter(*least)) {
          least = std::move(whole);
          least_node = node;
        }
      }
      for (const Edge& edge : graph.EdgesFrom(node)) {
        Cost cost = best[node]->Plus(edge.cost);
        std::optional<Cost>& known = next[edge.to];
        if (known && !cost.IsBetter(*known)) continue;
        known = std::move(cost);
        from[edge.to] = node;
      }
    }
    frontier.emplace_back();
    if (least) frontier.back() = ScheduleOf(graph, parents, calls, layer, least_node);
    best = std::move(next);
    parents.push_back(std::move(from));
  }
  return frontier;
}

}  // namespace

std::vector<std::optional<std::vector<bool>>> PlanFrontier(const SegmentCostTable& costs,
                                                           int calls,
                                                           int order,
                                                           PlanObjective objective,
                                                           const PlanLimits& limits) {
  if (calls < 1 || calls > kMaxPlannedCalls) {
    ThrowUserError("plan", "must be of 1 to {} calls but is of {}", kMaxPlannedCalls, calls);
  }
  const auto check = [calls](const char* flag, int value, int low) {
    if (value < low || value > calls) {
      ThrowUserError(flag, "must be {} to {}, the calls of a run, but is {}", low, calls, value);
    }
  };
  check("--first", limits.first, 1);
  check("--last", limits.last, 0);
  check("--longest", limits.longest, 0);
  SegmentCostTable added = costs;
  if (objective == PlanObjective::kSquares) {
    for (auto& [segment, cost] : added) cost *= cost;
  }
  const Graph graph(added, calls, order, limits);
  return objective == PlanObjective::kMinimax ? BestPaths<MinimaxCost>(graph, calls)
                                              : BestPaths<SumCost>(graph, calls);
}

std::vector<Segment> SegmentsOf(const std::vector<bool>& computed, int order) {
  std::vector<Segment> segments;
  std::vector<int> gaps;
  int last = 0;  // computed call
  for (int call = 1; call <= std::ssize(computed); ++call) {
    const bool end = call == std::ssize(computed);
    if (!end && !computed[call]) continue;
    if (call - last > 1) segments.push_back({last + 1, call - last - 1, gaps});
    gaps.insert(gaps.begin(), call - last);
    if (std::ssize(gaps) > order) gaps.resize(order);
    last = call;
  }
  return segments;
}

std::optional<std::vector<double>> CostsOf(const std::vector<bool>& computed,
                                           int order,
                                           const SegmentCostTable& costs) {
  std::vector<double> found;
  for (const Segment& segment : SegmentsOf(computed, order)) {
    const auto it = costs.find(segment);
    if (it == costs.end()) return std::nullopt;
    found.push_back(it->second);
  }
  std::ranges::sort(found, std::greater<>());
  return found;
}

}  // namespace teacache
