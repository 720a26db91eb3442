#include "calib/row_order.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "datasets/base/files.h"

namespace teacache {
namespace {

bool RowLess(const TraceRow& a, const TraceRow& b) {
  if (a.prompt != b.prompt) return NaturalLess(a.prompt, b.prompt);
  const auto key = [](const TraceRow& r) {
    return std::tie(r.seed, r.branch, r.stream, r.segment, r.sample, r.expert, r.call);
  };
  return key(a) < key(b);
}

// Sorts names; returns the new number of each.
std::vector<int> SortNames(std::vector<std::string>* names) {
  std::vector<size_t> order(names->size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order,
                    [&](size_t a, size_t b) { return NaturalLess((*names)[a], (*names)[b]); });
  std::vector<int> number(names->size());
  std::vector<std::string> sorted;
  for (const size_t i : order) {
    number[i] = static_cast<int>(sorted.size());
    sorted.push_back(std::move((*names)[i]));
  }
  *names = std::move(sorted);
  return number;
}

}  // namespace

void SortRows(Trace* trace) {
  if (!std::ranges::is_sorted(trace->rows, RowLess)) std::ranges::sort(trace->rows, RowLess);
}

void SortShards(std::vector<Trace>* traces, std::vector<std::string>* names) {
  std::vector<size_t> order(traces->size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return (*traces)[i].header.shard; });
  std::vector<Trace> sorted_traces;
  std::vector<std::string> sorted_names;
  for (const size_t i : order) {
    sorted_traces.push_back(std::move((*traces)[i]));
    sorted_names.push_back(std::move((*names)[i]));
  }
  *traces = std::move(sorted_traces);
  *names = std::move(sorted_names);
}

void SortImportedPairs(PairSet* set) {
  const std::vector<int> prompt = SortNames(&set->prompts);
  const std::vector<int> branch = SortNames(&set->branches);
  for (Pair& pair : set->pairs) {
    pair.prompt = prompt[pair.prompt];
    pair.branch = branch[pair.branch];
  }
  const bool known = set->calls > 0;
  const auto less = [known](const Pair& a, const Pair& b) {
    const auto run = [](const Pair& p) { return std::tie(p.prompt, p.seed, p.branch); };
    if (run(a) != run(b)) return run(a) < run(b);
    if (known) return a.call < b.call;
    return std::tie(a.x, a.y, a.weight) < std::tie(b.x, b.y, b.weight);
  };
  if (!std::ranges::is_sorted(set->pairs, less)) std::ranges::stable_sort(set->pairs, less);
  if (known) return;
  int number = 0;
  for (Pair& pair : set->pairs) pair.call = pair.step = ++number;
}

}  // namespace teacache
