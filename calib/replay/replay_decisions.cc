#include "calib/replay/replay_decisions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace teacache {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

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

std::vector<bool> AlwaysComputed(const EngineRule& rule, int calls) {
  std::vector<bool> computed = ForcedCalls(rule, calls);
  if (rule.seeds_cache) {
    const auto first = std::find(computed.begin(), computed.end(), false);
    if (first != computed.end()) *first = true;
  }
  return computed;
}

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

int Decider(const ReplayInput& input, const EngineRule& rule, const std::vector<size_t>& group) {
  if (rule.branches != EngineRule::Branches::kCond) return -1;
  for (size_t i = 0; i < group.size(); ++i) {
    const std::string& branch = input.runs[group[i]].branch;
    if (branch == "cond" || branch == "pos") return static_cast<int>(i);
  }
  return 0;
}

}  // namespace teacache
