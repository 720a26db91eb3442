#include "datasets/trace/segment_costs.h"

#include <set>
#include <tuple>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/trace/trace_format.h"

namespace teacache {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 34;

template <typename Archive>
void VisitHeader(Archive& archive, SegmentCosts& costs) {
  archive.Format("teacache-costs", SegmentCosts::kVersion);
  archive.Required("measure", costs.measure);
  archive.Check(costs.measure == "residual" || costs.measure == "latent",
                "must be \"residual\" or \"latent\"");
  VisitRecipe(archive, costs.recipe);
}

template <typename Archive>
void VisitRow(Archive& archive, SegmentCost& row, int calls) {
  archive.Required("prompt", row.prompt);
  archive.Required("seed", row.seed);
  archive.Required("start", row.start);
  archive.CheckBetween(row.start, 1, calls - 1);
  archive.Required("skipped", row.skipped);
  archive.CheckBetween(row.skipped, 1, calls - row.start);
  archive.Optional("order", row.order);
  archive.CheckBetween(row.order, 0, row.start - 1);
  archive.Optional("gap", row.gap, 1);
  archive.CheckBetween(row.gap, 1, row.start);
  archive.Required("error", row.error);
  archive.Check(row.error >= 0, "must not be negative");
}

void CheckDistinct(const std::string& path, const std::vector<SegmentCost>& rows) {
  std::set<std::tuple<std::string_view, int64_t, int, int, int, int>> seen;
  for (size_t i = 0; i < rows.size(); ++i) {
    const SegmentCost& row = rows[i];
    if (seen.emplace(row.prompt, row.seed, row.start, row.skipped, row.order, row.gap).second) {
      continue;
    }
    ThrowUserError(fmt::format("{}:{}", path, i + 2),  // line 1 is the header
                   "segments must be different but start {}, skipped {}, order {}, gap {} of seed "
                   "{} appears twice",
                   row.start,
                   row.skipped,
                   row.order,
                   row.gap,
                   row.seed);
  }
}

template <typename Fields>
std::string Line(const std::string& path, const Fields& fields) {
  JsonText text(path, -1, BadUtf8::kRefuse);
  text.Begin('{');
  JsonWriter writer(&text);
  fields(writer);
  text.End('}');
  return text.text() + "\n";
}

}  // namespace

SegmentCosts ReadSegmentCosts(const std::string& path) {
  const std::string text = ReadFile(path, kMaxBytes);
  JsonLines lines(text, path);
  SegmentCosts costs;
  if (!lines.Next()) {
    ThrowUserError(path,
                   "must begin with the header of segment costs but {}",
                   text.empty() ? "is empty" : "its first line is cut off");
  }
  {
    JsonReader reader(lines.value());
    VisitHeader(reader, costs);
    reader.Finish();
  }
  while (lines.Next()) {
    JsonReader reader(lines.value());
    VisitRow(reader, costs.rows.emplace_back(), costs.recipe.calls);
    reader.Finish();
  }
  if (lines.IsCut()) {
    costs.warnings.push_back(
        fmt::format("{}:{}: the last line is cut off and was left out", path, lines.line() + 1));
  }
  CheckDistinct(path, costs.rows);
  return costs;
}

void WriteSegmentCosts(const std::string& path, const SegmentCosts& costs) {
  SegmentCosts header = costs;
  std::string text = Line(path, [&](JsonWriter& writer) { VisitHeader(writer, header); });
  for (SegmentCost& row : header.rows) {
    text += Line(path, [&](JsonWriter& writer) { VisitRow(writer, row, costs.recipe.calls); });
  }
  CheckDistinct(path, costs.rows);
  AtomicWriteFile(path, text);
}

}  // namespace teacache
