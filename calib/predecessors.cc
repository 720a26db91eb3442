#include "calib/predecessors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "calib/copies.h"

namespace teacache {
namespace {

// The calls of one run, branch, stream, segment and sample.
struct Sequence {
  std::string_view prompt;
  int64_t seed = 0;
  std::string_view branch;
  std::string_view stream;
  int segment = 0;
  int sample = 0;

  bool operator==(const Sequence&) const = default;
};

Sequence SequenceOf(const TraceRow& row) {
  return {row.prompt, row.seed, row.branch, row.stream, row.segment, row.sample};
}

struct SequenceHash {
  size_t operator()(const Sequence& sequence) const {
    size_t hash = std::hash<std::string_view>()(sequence.prompt);
    hash = hash * 31 + std::hash<std::string_view>()(sequence.branch);
    hash = hash * 31 + std::hash<std::string_view>()(sequence.stream);
    hash = hash * 31 + static_cast<size_t>(sequence.seed);
    hash = hash * 31 + static_cast<size_t>(sequence.segment);
    return hash * 31 + static_cast<size_t>(sequence.sample);
  }
};

// Numbers the sequences; rows of the same follow each other or take turns, so that few are looked
// up by their texts.
class SequenceIndex {
 public:
  size_t Get(const TraceRow& row) {
    const Sequence sequence = SequenceOf(row);
    for (const size_t recent : recent_) {
      if (recent < sequences_.size() && sequences_[recent] == sequence) return recent;
    }
    const auto [it, inserted] = index_.try_emplace(sequence, sequences_.size());
    if (inserted) sequences_.push_back(sequence);
    recent_[next_++ % std::size(recent_)] = it->second;
    return it->second;
  }

 private:
  std::unordered_map<Sequence, size_t, SequenceHash> index_;
  std::vector<Sequence> sequences_;
  size_t recent_[4] = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX};
  size_t next_ = 0;
};

bool SameSize(const L1Sums& a, const L1Sums& b) {
  return !a.measured() || !b.measured() || a.n == b.n;
}

bool Measured(const TraceRow& row) {
  return row.mod.measured() || row.res.measured() || row.out.measured();
}

// The rows of the last two calls of a sequence; several where experts share a call.
struct Recent {
  std::vector<size_t> rows;    // of `call`
  std::vector<size_t> before;  // of the call before it that is in the trace
  int call = -1;
  int call_before = -1;
};

LeftOut JudgeRow(const Trace& trace, size_t i, Recent* recent) {
  const TraceRow& row = trace.rows[i];
  if (row.call != recent->call) {
    recent->before = std::move(recent->rows);
    recent->call_before = recent->call;
    recent->rows.clear();
    recent->call = row.call;
  }
  recent->rows.push_back(i);
  if (row.call == 0) return Measured(row) ? LeftOut::kFirstCall : LeftOut::kNone;
  if (recent->call_before != row.call - 1) {
    return row.call == 1 ? LeftOut::kNone : LeftOut::kGap;
  }
  for (const size_t k : recent->before) {
    const TraceRow& previous = trace.rows[k];
    if (previous.expert != row.expert) continue;
    const bool same_size = SameSize(row.mod, previous.mod) && SameSize(row.res, previous.res) &&
                           SameSize(row.out, previous.out);
    return same_size ? LeftOut::kNone : LeftOut::kSizeChange;
  }
  return LeftOut::kExpertChange;
}

}  // namespace

std::string ToString(LeftOut reason) {
  switch (reason) {
    case LeftOut::kNone:
      return "none";
    case LeftOut::kFirstCall:
      return "first-call";
    case LeftOut::kGap:
      return "gap";
    case LeftOut::kExpertChange:
      return "expert-change";
    case LeftOut::kSizeChange:
      return "size-change";
    case LeftOut::kNotMeasured:
      return "not-measured";
    case LeftOut::kChangeFromZero:
      return "change-from-zero";
    case LeftOut::kNoChange:
      return "no-change";
    case LeftOut::kOtherBranch:
      return "other-branch";
    case LeftOut::kCopy:
      return "copy";
  }
  return "none";
}

std::string Describe(LeftOut reason, int64_t count) {
  const bool one = count == 1;
  switch (reason) {
    case LeftOut::kNone:
      return fmt::format("{} for no reason", count);
    case LeftOut::kFirstCall:
      return fmt::format("{} measured at call 0, which has no predecessor", count);
    case LeftOut::kGap:
      return fmt::format("{} whose previous call is missing", count);
    case LeftOut::kExpertChange:
      return fmt::format("{} whose previous call was another expert's", count);
    case LeftOut::kSizeChange:
      return fmt::format("{} whose previous call had another size", count);
    case LeftOut::kNotMeasured:
      return fmt::format(
          "{} that {} the modulated input or the target", count, one ? "lacks" : "lack");
    case LeftOut::kChangeFromZero:
      return fmt::format("{} with a zero denominator (prev_l1): a change from nothing", count);
    case LeftOut::kNoChange:
      return fmt::format("{} whose target changed by exactly 0", count);
    case LeftOut::kOtherBranch:
      return fmt::format("{} of other branches (--branch NAME fits one)", count);
    case LeftOut::kCopy:
      return fmt::format("{} of copied runs", count);
  }
  return "";
}

std::vector<LeftOut> JudgePredecessors(const Trace& trace) {
  const std::vector<TraceRow>& rows = trace.rows;
  std::vector<size_t> sequence(rows.size());
  std::vector<Recent> recent;
  SequenceIndex index;
  bool ascending = true;
  std::vector<int> last_call;
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t s = sequence[i] = index.Get(rows[i]);
    if (s == last_call.size()) last_call.push_back(-1);
    ascending = ascending && rows[i].call >= last_call[s];
    last_call[s] = rows[i].call;
  }
  recent.resize(last_call.size());
  std::vector<LeftOut> judged(rows.size());
  if (ascending) {
    for (size_t i = 0; i < rows.size(); ++i) judged[i] = JudgeRow(trace, i, &recent[sequence[i]]);
    return judged;
  }
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return rows[a].call < rows[b].call; });
  for (const size_t i : order) judged[i] = JudgeRow(trace, i, &recent[sequence[i]]);
  return judged;
}

std::string RemoveCopies(Trace* trace, LeftOutCounts* left_out) {
  RunDigests digests;
  for (const TraceRow& row : trace->rows) {
    RowDigest digest;
    for (const std::string_view text :
         {std::string_view(row.branch), std::string_view(row.expert), std::string_view(row.stream)})
      digest.Add(text);
    for (const int number : {row.call, row.segment, row.sample}) digest.Add(number);
    bool moves = false;
    for (const L1Sums* sums : {&row.mod, &row.res, &row.out}) {
      digest.Add(sums->diff_l1);
      digest.Add(sums->prev_l1);
      moves = moves || sums->diff_l1 > 0;
    }
    digests.Add(row.prompt, row.seed, digest, moves);
  }
  const CopiedRuns copies = digests.Copies();
  if (copies.runs.empty()) return "";
  const size_t before = trace->rows.size();
  std::erase_if(trace->rows, [&](const TraceRow& row) {
    return copies.runs.contains({row.prompt, row.seed});
  });
  (*left_out)[LeftOut::kCopy] += static_cast<int64_t>(before - trace->rows.size());
  return copies.text;
}

}  // namespace teacache
