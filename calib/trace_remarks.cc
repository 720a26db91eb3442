#include "calib/trace_remarks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

namespace teacache {
namespace {

constexpr std::array kSums = {&TraceRow::mod, &TraceRow::res, &TraceRow::out, &TraceRow::first};

// Sums of fewer elements may well be short numbers.
constexpr int64_t kManyElements = 1024;
constexpr int64_t kManySums = 50;

// How many bits a number needs from its first to its last 1: 8 are those of bfloat16, 11 those of
// float16.
int SignificantBits(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  int exponent = 0;
  auto bits = static_cast<int64_t>(
      std::ldexp(std::frexp(std::abs(value), &exponent), std::numeric_limits<double>::digits));
  int n = std::numeric_limits<double>::digits;
  for (; bits % 2 == 0; bits /= 2) --n;
  return n;
}

std::string OfShortSums(const Trace& trace) {
  int64_t sums = 0;
  int longest = 0;
  for (const TraceRow& row : trace.rows) {
    for (const auto field : kSums) {
      const L1Sums& own = row.*field;
      if (!own.measured() || own.n < kManyElements) continue;
      ++sums;
      longest = std::max({longest, SignificantBits(own.diff_l1), SignificantBits(own.prev_l1)});
    }
  }
  if (sums < kManySums || longest > 11) return "";
  return fmt::format(
      "all {} sums have at most {} significant bits, as {} has: sums that are taken in it stop "
      "growing, and what is fitted to them is wrong; take them in float32 or wider",
      sums,
      longest,
      longest > 8 ? "float16" : "bfloat16");
}

std::string OfEqualTensors(const Trace& trace) {
  for (const auto& [field, name] :
       {std::pair{&TraceRow::res, "residual"}, std::pair{&TraceRow::out, "output"}}) {
    int64_t rows = 0;
    const bool equal = std::ranges::all_of(trace.rows, [&](const TraceRow& row) {
      const L1Sums& own = row.*field;
      if (!own.measured() || !row.mod.measured()) return true;
      ++rows;
      return own == row.mod;
    });
    if (!equal || rows < kManySums) continue;
    return fmt::format(
        "the {} changes exactly as the modulated input in all {} rows: one tensor was recorded as "
        "both",
        name,
        rows);
  }
  return "";
}

// The calls of a run without their branch.
using CallKey = std::tuple<std::string_view, int64_t, std::string_view, int, int, int>;

std::string OfEqualBranches(const Trace& trace) {
  std::map<std::string_view, std::map<CallKey, const TraceRow*>> branches;
  for (const TraceRow& row : trace.rows) {
    const CallKey call{row.prompt, row.seed, row.expert, row.segment, row.sample, row.call};
    branches[row.branch].emplace(call, &row);
  }
  const auto are_equal = [](const auto& a, const auto& b) {
    bool moves = false;
    for (const auto& [call, row] : a) {
      const auto other = b.find(call);
      if (other == b.end()) return false;
      for (const auto field : kSums) {
        if (!(row->*field == other->second->*field)) return false;
        moves = moves || (row->*field).diff_l1 > 0;
      }
    }
    return moves && a.size() == b.size();
  };
  for (auto a = branches.begin(); a != branches.end(); ++a) {
    for (auto b = std::next(a); b != branches.end(); ++b) {
      if (!are_equal(a->second, b->second)) continue;
      return fmt::format(
          "branches \"{}\" and \"{}\" are equal in every call: one call was recorded under two "
          "names, or guidance had no effect",
          a->first,
          b->first);
    }
  }
  return "";
}

// A run's size is that of its first measurement; sizes that change within a run are another matter.
std::string OfSeveralSizes(const Trace& trace) {
  using Run = std::tuple<std::string_view, int64_t, std::string_view, std::string_view>;
  std::map<Run, int64_t> sizes;
  for (const TraceRow& row : trace.rows) {
    if (row.mod.measured()) {
      sizes.emplace(Run{row.prompt, row.seed, row.branch, row.stream}, row.mod.n);
    }
  }
  std::map<std::pair<std::string_view, std::string_view>, std::set<int64_t>> of_branch;
  for (const auto& [run, n] : sizes) of_branch[{std::get<2>(run), std::get<3>(run)}].insert(n);
  size_t most = 0;
  for (const auto& [branch, own] : of_branch) most = std::max(most, own.size());
  if (most < 2) return "";
  return fmt::format(
      "runs of {} sizes stand under one header: a change may depend on the size, so record and fit "
      "each size on its own",
      most);
}

std::string OfLateStarts(const Trace& trace) {
  int first = std::numeric_limits<int>::max();
  for (const TraceRow& row : trace.rows) {
    if (row.call <= 1) first = std::min(first, row.step - row.call);
  }
  if (trace.rows.empty() || first <= 0 || first == std::numeric_limits<int>::max()) return "";
  return fmt::format(
      "runs begin at step {} of {}: coefficients, ratios and masks hold for runs that begin there, "
      "not for whole ones",
      first,
      trace.header.steps);
}

}  // namespace

std::vector<std::string> TraceRemarks(const Trace& trace) {
  std::vector<std::string> remarks = {OfShortSums(trace),
                                      OfEqualTensors(trace),
                                      OfEqualBranches(trace),
                                      OfSeveralSizes(trace),
                                      OfLateStarts(trace)};
  std::erase(remarks, "");
  return remarks;
}

}  // namespace teacache
