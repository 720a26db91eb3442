#include <algorithm>
#include <map>
#include <set>

#include "datasets/base/error.h"
#include "datasets/trace/trace_format.h"

namespace teacache {
namespace {

void MergeInto(TraceRow* into, const TraceRow& row, const std::string& where) {
  if (into->lookback.size() != row.lookback.size() || into->step != row.step ||
      into->evaluations != row.evaluations || into->first.measured() != row.first.measured() ||
      into->mod.measured() != row.mod.measured() || into->res.measured() != row.res.measured() ||
      into->out.measured() != row.out.measured()) {
    ThrowUserError(where, "shards must have measured the same but differ at {}", Describe(row));
  }
  into->mod += row.mod;
  into->res += row.res;
  into->out += row.out;
  into->first += row.first;
  for (size_t k = 0; k < row.lookback.size(); ++k) into->lookback[k] += row.lookback[k];
  // The slowest shard is waited for.
  into->ms_embed = std::max(into->ms_embed, row.ms_embed);
  into->ms_blocks = std::max(into->ms_blocks, row.ms_blocks);
  into->ms_head = std::max(into->ms_head, row.ms_head);
}

}  // namespace

Trace MergeTraces(const std::vector<Trace>& traces, const std::vector<std::string>& names) {
  if (traces.empty()) ThrowUserError("traces", "must be at least one but are none");
  const auto name = [&](size_t i) {
    return i < names.size() ? names[i] : fmt::format("trace {}", i + 1);
  };

  Trace merged;
  merged.header = traces[0].header;
  for (size_t i = 0; i < traces.size(); ++i) {
    const std::string difference = FirstDifference(merged.header, traces[i].header);
    if (!difference.empty()) {
      ThrowUserError(name(i),
                     "must be recorded with the same settings as {} but differs in {}",
                     name(0),
                     difference);
    }
    merged.warnings.insert(
        merged.warnings.end(), traces[i].warnings.begin(), traces[i].warnings.end());
    // Which prompts were meant is known only where all files agree.
    if (traces[i].header.prompts_digest != merged.header.prompts_digest) {
      merged.header.prompts_digest.clear();
    }
  }

  struct Origin {
    size_t row;
    std::set<int> shards;
    size_t file;
  };
  std::map<RowKey, Origin> origins;
  size_t total = 0;
  for (const Trace& trace : traces) total += trace.rows.size();
  merged.rows.reserve(total);  // the keys point into the rows
  for (size_t i = 0; i < traces.size(); ++i) {
    const int shard = traces[i].header.shard;
    for (const TraceRow& row : traces[i].rows) {
      const auto it = origins.find(KeyOf(row));
      if (it == origins.end()) {
        merged.rows.push_back(row);
        origins.emplace(KeyOf(merged.rows.back()), Origin{merged.rows.size() - 1, {shard}, i});
      } else if (it->second.shards.insert(shard).second) {
        MergeInto(&merged.rows[it->second.row], row, name(i));
      } else {
        ThrowUserError(name(i),
                       "rows must be different from those of {} but both have {}",
                       name(it->second.file),
                       Describe(row));
      }
    }
  }

  const int shards = merged.header.shards;
  for (const auto& [key, origin] : origins) {
    if (static_cast<int>(origin.shards.size()) == shards) continue;
    std::vector<int> missing;
    for (int s = 0; s < shards; ++s) {
      if (!origin.shards.contains(s)) missing.push_back(s);
    }
    ThrowUserError(name(origin.file),
                   "all {} tensor shards must be given but shard {} is missing for {}",
                   shards,
                   fmt::join(missing, ", "),
                   Describe(merged.rows[origin.row]));
  }
  std::set<int> parts;
  for (const Trace& trace : traces) parts.insert(trace.header.part);
  std::vector<int> missing;
  for (int p = 0; p < merged.header.parts; ++p) {
    if (!parts.contains(p)) missing.push_back(p);
  }
  if (!missing.empty()) {
    merged.warnings.push_back(
        fmt::format("the runs were spread over {} parts, but part {} is missing",
                    merged.header.parts,
                    fmt::join(missing, ", ")));
  }
  merged.header.shard = 0;
  merged.header.shards = 1;
  merged.header.part = 0;
  merged.header.parts = 1;
  return merged;
}

}  // namespace teacache
