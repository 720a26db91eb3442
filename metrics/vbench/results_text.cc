// Tables of VBench results for people.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "datasets/base/message.h"
#include "datasets/work/shard.h"
#include "datasets/worst_share.h"
#include "metrics/vbench/results.h"

namespace teacache {
namespace {

constexpr size_t kListed = 10;

void AddList(const std::vector<std::string>& names, const std::string& title, std::string* text) {
  if (names.empty()) return;
  *text += fmt::format("\n{}: {}\n", title, names.size());
  for (size_t i = 0; i < std::min(names.size(), kListed); ++i)
    *text += "  " + OneLine(names[i]) + "\n";
  if (names.size() > kListed) *text += "  ...\n";
}

}  // namespace

std::string VbenchText(const VbenchResults& results) {
  std::string text;
  if (const auto missing = results.context.find(kMissingParts); missing != results.context.end()) {
    text += fmt::format("PARTIAL RESULT: parts {} are missing\n\n", missing->second);
  }
  const bool shares = std::ranges::all_of(
      results.summary, [](const auto& entry) { return HasWorstShare(entry.second.videos); });
  text += fmt::format("{:<24} {:>10} {:>22} {:>10} {:>10} {:>7}\n",
                      "",
                      "score",
                      "95 % of the mean",
                      "median",
                      WorstShareTitle(shares),
                      "videos");
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    const auto found = results.summary.find(std::string(dimension.name));
    if (found == results.summary.end()) continue;
    const MetricSummary& videos = found->second.videos;
    const std::string interval =
        videos.ci95 ? fmt::format("{:.4f} ... {:.4f}", videos.ci95->lo, videos.ci95->hi) : "-";
    text += fmt::format("{:<24} {:>10.4f} {:>22} {:>10.4f} {:>10.4f} {:>7}\n",
                        dimension.name,
                        found->second.score,
                        interval,
                        videos.median,
                        WorstShareOf(videos, /*higher_is_better=*/true, shares),
                        videos.n);
  }
  for (const std::string& warning : results.warnings) text += "\nwarning: " + OneLine(warning);
  if (!results.warnings.empty()) text += "\n";
  AddList(results.missing, "Missing videos", &text);
  AddList(results.extra, "Files that belong to no prompt", &text);
  AddList(results.left_out, "Could be videos but are not scored", &text);
  std::vector<std::string> errors;
  for (const VbenchVideoScore& video : results.videos) {
    for (const auto& [dimension, error] : video.errors) {
      errors.push_back(fmt::format(
          "{}{}: {}", video.name, dimension.empty() ? "" : " (" + dimension + ")", error));
    }
  }
  AddList(errors, "Not scored", &text);
  return text;
}

}  // namespace teacache
