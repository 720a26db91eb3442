#include "reports/findings/notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "reports/findings/labels.h"

namespace teacache {
namespace {

void Add(ReportRow* row, std::string note) {
  if (!note.empty() && std::ranges::find(row->notes, note) == row->notes.end()) {
    row->notes.push_back(std::move(note));
  }
}

// 2 where first and last call are always computed; runs of one or two calls have no more.
bool SkipsAllItMay(const ReportRow& row) {
  return row.policy == "teacache" && row.calls > 2 && row.computed_max > 0 && row.computed_max <= 2;
}

bool HasSchedules(const ReportRow& row) {
  return std::ranges::any_of(row.videos, [](const ReportVideo& video) {
    return video.error.empty() && !video.computed.empty();
  });
}

std::string FailureNote(const ReportRow& row) {
  if (row.failed == 0) return "";
  const auto total = static_cast<int>(row.videos.size());
  if (row.failed == total) return "No video of this setting could be scored.";
  return fmt::format(
      "Averages are over {} of {} videos; the others are missing or failed, so "
      "compare them only video by video.",
      total - row.failed,
      total);
}

// The medians of all runs hold the drift of the machine between settings, which the pairs do not.
std::string DriftNote(const ReportRow& uncached, const ReportRow& row) {
  if (uncached.total.n == 0 || !(row.total.median > 0) || !row.speedup_total.ci95) return "";
  const double ratio = uncached.total.median / row.total.median;
  const Interval& pairs = *row.speedup_total.ci95;
  if (ratio >= pairs.lo && ratio <= pairs.hi) return "";
  return fmt::format(
      "Its seconds alone would give {}×; the speed-up pairs each run with the uncached run of the "
      "same video and round, so that drift of the machine cancels.",
      Fixed(ratio, 2));
}

}  // namespace

void AddRowNotes(Report* report) {
  std::map<std::string, const ReportRow*> by_id;
  std::map<std::string, const ReportRow*> uncached;  // by model
  for (const ReportRow& row : report->rows) {
    by_id[row.id] = &row;
    if (row.policy == "none") uncached.try_emplace(row.model, &row);
  }
  for (ReportRow& row : report->rows) {
    Add(&row, FailureNote(row));
    if (row.policy == "none") continue;
    const auto reference = uncached.find(row.model);
    if (reference == uncached.end()) {
      Add(&row, "There are no uncached videos of this model to compare with.");
      continue;
    }
    Add(&row, DriftNote(*reference->second, row));
    const std::string& codec = reference->second->codec;
    if (!row.codec.empty() && !codec.empty() && row.codec != codec) {
      Add(&row,
          fmt::format("These videos are {}, the uncached ones {}: the scores hold the difference "
                      "of the codecs too.",
                      row.codec,
                      codec));
    }
    if (row.policy != "steps" && HasSchedules(row) && row.computed_min >= row.calls) {
      Add(&row, "Skips nothing: every call is computed.");
    } else if (SkipsAllItMay(row)) {
      Add(&row, "Skips every call that may be skipped: only the first and the last are computed.");
    }
    const auto match = by_id.find(row.matches);
    if (match != by_id.end() && HasSchedules(row) && row.failed == 0 &&
        match->second->failed == 0 && !EqualCost(match->second->computed_mean, row.computed_mean)) {
      Add(&row,
          fmt::format("Not at equal cost: it computes {} calls where TeaCache computes {}.",
                      Fixed(row.computed_mean, 1),
                      Fixed(match->second->computed_mean, 1)));
    }
  }
}

}  // namespace teacache
