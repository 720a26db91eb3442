// Plain CSV: columns x, y and optionally prompt, seed, branch, expert, step. One pass over the
// text: numbers are parsed where they stand, and only names are looked up.

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "calib/importers/csv_reader.h"
#include "calib/importers/importer.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

enum class Column { kX, kY, kPrompt, kSeed, kBranch, kExpert, kStep };

constexpr std::pair<std::string_view, Column> kColumnNames[] = {
    {"x", Column::kX},
    {"input_rel_l1", Column::kX},
    {"input_diff", Column::kX},
    {"y", Column::kY},
    {"output_rel_l1", Column::kY},
    {"output_diff", Column::kY},
    {"prompt", Column::kPrompt},
    {"seed", Column::kSeed},
    {"branch", Column::kBranch},
    {"expert", Column::kExpert},
    {"step", Column::kStep},
    {"call", Column::kStep},
    {"pair", Column::kStep},
};

const char* NameOf(Column column) {
  for (const auto& [name, of] : kColumnNames) {
    if (of == column) return name.data();
  }
  return "";
}

std::vector<Column> FindColumns(const std::vector<std::string_view>& header,
                                const std::string& where) {
  std::vector<Column> columns;
  for (const std::string_view field : header) {
    const std::string_view name = TrimBlanks(field);
    const auto* const it = std::find_if(std::begin(kColumnNames),
                                        std::end(kColumnNames),
                                        [&](const auto& known) { return known.first == name; });
    if (it == std::end(kColumnNames)) {
      ThrowUserError(where,
                     "columns must be x, y, prompt, seed, branch, expert or step but one is \"{}\"",
                     std::string(name.substr(0, 40)));
    }
    if (std::find(columns.begin(), columns.end(), it->second) != columns.end()) {
      ThrowUserError(where, "columns must be different but \"{}\" appears twice", it->first);
    }
    columns.push_back(it->second);
  }
  for (Column needed : {Column::kX, Column::kY}) {
    if (std::find(columns.begin(), columns.end(), needed) == columns.end()) {
      ThrowUserError(where, "must have columns x and y but has not");
    }
  }
  return columns;
}

// The pairs of one expert as they come.
struct Building {
  ImportedRuns runs;
  std::vector<int> lines;  // of each pair
  NameIndex prompts;
  NameIndex branches;
};

struct Row {
  Pair pair;
  std::string_view prompt = "all";
  std::string_view branch = "batched";
  std::string_view expert;
};

Row ReadRow(const std::vector<Column>& columns, CsvReader* reader) {
  Row row;
  size_t count = 0;
  for (const Column column : columns) {
    if (reader->line_done()) break;
    ++count;
    switch (column) {
      case Column::kX:
        row.pair.x = reader->ReadNumber<double>(NameOf(column));
        break;
      case Column::kY:
        row.pair.y = reader->ReadNumber<double>(NameOf(column));
        break;
      case Column::kPrompt:
        row.prompt = TrimBlanks(reader->Field());
        break;
      case Column::kSeed:
        row.pair.seed = reader->ReadNumber<int64_t>(NameOf(column));
        break;
      case Column::kBranch:
        row.branch = TrimBlanks(reader->Field());
        break;
      case Column::kExpert:
        row.expert = TrimBlanks(reader->Field());
        break;
      case Column::kStep: {
        const int64_t step = reader->ReadNumber<int64_t>(NameOf(column));
        if (step < 0 || step > 1'000'000'000) {
          ThrowUserError(reader->where(), "step must be between 0 and 1000000000 but is {}", step);
        }
        row.pair.call = row.pair.step = static_cast<int>(step);
        break;
      }
    }
  }
  for (; !reader->line_done(); ++count) reader->Field();
  if (count != columns.size()) {
    ThrowUserError(reader->where(), "must have {} columns but has {}", columns.size(), count);
  }
  const double x = row.pair.x;
  const double y = row.pair.y;
  if (!(x >= 0 && y >= 0 && std::isfinite(x) && std::isfinite(y))) {
    CheckPair(x, y, reader->where());
  }
  return row;
}

// Sorts by run and call; reports what appears twice, and runs whose calls do not ascend.
void SortRows(const std::string& where, Building* building) {
  PairSet& set = building->runs.pairs;
  const std::vector<Pair>& pairs = set.pairs;
  const auto less = [](const Pair& a, const Pair& b) {
    return std::tie(a.prompt, a.seed, a.branch, a.call) <
           std::tie(b.prompt, b.seed, b.branch, b.call);
  };
  const auto descends = [&](const Pair& a, const Pair& b) { return !less(a, b); };
  if (std::adjacent_find(pairs.begin(), pairs.end(), descends) == pairs.end()) return;

  std::vector<uint32_t> order(pairs.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (less(pairs[a], pairs[b])) return true;
    return !less(pairs[b], pairs[a]) && a < b;
  });
  int disordered = INT_MAX;  // the first line that is out of order
  for (size_t i = 1; i < order.size(); ++i) {
    const Pair& a = pairs[order[i - 1]];
    const Pair& b = pairs[order[i]];
    if (!less(a, b)) {
      ThrowUserError(fmt::format("{}:{}", where, building->lines[order[i]]),
                     "pairs must be different but {} appears twice, also on line {}",
                     DescribePair(set, b),
                     building->lines[order[i - 1]]);
    }
    const bool same_run =
        std::tie(a.prompt, a.seed, a.branch) == std::tie(b.prompt, b.seed, b.branch);
    if (same_run && order[i] < order[i - 1]) {
      disordered = std::min(disordered, building->lines[order[i - 1]]);
    }
  }
  std::vector<Pair> sorted;
  sorted.reserve(pairs.size());
  for (const uint32_t i : order) sorted.push_back(pairs[i]);
  set.pairs = std::move(sorted);
  if (disordered != INT_MAX) {
    set.warnings.push_back(fmt::format(
        "{}:{}: steps of a run should ascend but do not; they were sorted", where, disordered));
  }
}

void Finish(const std::string& where, bool has_steps, Building* building) {
  PairSet& set = building->runs.pairs;
  if (!has_steps) {
    set.warnings.push_back(
        fmt::format("{}: steps are unknown: no schedule can be replayed", where));
    return;
  }
  int first = INT_MAX;
  int last = 0;
  for (const Pair& pair : set.pairs) {
    first = std::min(first, pair.call);
    last = std::max(last, pair.call);
  }
  // Steps counted from the earlier one of a pair: a pair belongs to the later one.
  if (first == 0) {
    for (Pair& pair : set.pairs) pair.call = ++pair.step;
    ++last;
  }
  set.steps = set.calls = last + 1;
  SortRows(where, building);
}

// The columns, from the header or, without one, x and y; the reader stands before the first row.
std::vector<Column> ReadHeader(CsvReader* reader) {
  const CsvReader begin = *reader;
  if (!reader->NextLine()) ThrowUserError(reader->where(), "must have rows but is empty");
  std::vector<std::string_view> header;
  while (!reader->line_done()) header.push_back(reader->Field());
  if (!ParseNumber<double>(header[0])) return FindColumns(header, reader->where());
  if (header.size() != 2) {
    ThrowUserError(
        reader->where(), "without a header must have 2 columns (x, y) but has {}", header.size());
  }
  *reader = begin;
  return {Column::kX, Column::kY};
}

bool Recognises(const ImportSource& source) { return !source.looks_like_json(); }

std::vector<ImportedRuns> Read(const ImportSource& source) {
  const std::string& where = source.where();
  CsvReader reader(source.text(), where);
  const std::vector<Column> columns = ReadHeader(&reader);
  const bool has_steps = std::find(columns.begin(), columns.end(), Column::kStep) != columns.end();
  std::map<std::string, Building, std::less<>> experts;
  Building* building = nullptr;
  std::string_view building_for;
  while (reader.NextLine()) {
    Row row = ReadRow(columns, &reader);
    if (building == nullptr || row.expert != building_for) {
      const auto [it, inserted] = experts.try_emplace(std::string(row.expert));
      building = &it->second;
      building_for = it->first;
      if (inserted) {
        building->runs.pairs.expert = it->first;
        building->runs.source = "CSV";
      }
    }
    PairSet& set = building->runs.pairs;
    row.pair.prompt = building->prompts.Get(row.prompt, &set.prompts);
    row.pair.branch = building->branches.Get(row.branch, &set.branches);
    if (!has_steps) row.pair.call = row.pair.step = static_cast<int>(set.pairs.size()) + 1;
    set.pairs.push_back(row.pair);
    building->lines.push_back(reader.line());
  }
  std::vector<ImportedRuns> result;
  for (auto& [expert, built] : experts) {
    Finish(where, has_steps, &built);
    result.push_back(std::move(built.runs));
  }
  return result;
}

}  // namespace

Importer CsvImporter() { return {"csv", Recognises, Read}; }

}  // namespace teacache
