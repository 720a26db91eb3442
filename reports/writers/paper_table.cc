#include "reports/writers/paper_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "reports/findings/labels.h"
#include "reports/writers/embedded/teacache_table1_csv.h"

namespace teacache {
namespace {

constexpr std::string_view kMissing = "n/a";
constexpr std::string_view kBlank = "–";
constexpr std::string_view kDagger = "†";
// The metrics of the paper's table, in its order.
constexpr std::array<std::string_view, 3> kOfPaper = {"lpips", "ssim", "psnr"};

using Cells = std::vector<std::string>;

// Fields of the line, none of which holds a comma.
Cells Split(std::string_view line) {
  Cells fields;
  for (size_t comma = 0; comma != line.npos; line.remove_prefix(std::min(comma + 1, line.size()))) {
    comma = line.find(',');
    fields.emplace_back(line.substr(0, comma));
  }
  return fields;
}

// model, method, flops, speedup, latency, vbench, lpips, ssim, psnr.
std::vector<Cells> PublishedRows(const std::string& model) {
  std::vector<Cells> rows;
  std::string_view text = embedded::teacache_table1_csv();
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.starts_with("#")) continue;
    Cells fields = Split(line);
    if (fields.front() == model) rows.push_back(std::move(fields));
  }
  return rows;
}

// Metrics that the paper's table does not have: of single videos first.
std::vector<MetricInfo> FurtherMetrics(const Report& report) {
  std::vector<MetricInfo> metrics = report.metrics;
  std::erase_if(metrics, [](const MetricInfo& metric) {
    return std::ranges::find(kOfPaper, metric.name) != kOfPaper.end();
  });
  std::ranges::stable_partition(metrics, std::not_fn(&MetricInfo::needs_reference));
  return metrics;
}

std::string HeadOf(const MetricInfo& metric) {
  return metric.label + (metric.higher_is_better ? " ↑" : " ↓");
}

Cells Head(const Report& report) {
  Cells head = {"Method",
                "Videos",
                "Computed calls",
                "FLOPs (P) ↓",
                "Speedup ↑",
                "Latency (s) ↓",
                "VBench (%) ↑"};
  for (const MetricInfo& metric : FurtherMetrics(report)) head.push_back(HeadOf(metric));
  for (const std::string_view name : kOfPaper) head.push_back(HeadOf(MetricOf(report, name)));
  return head;
}

std::string VideoCount(const ReportRow& row) {
  const auto good = static_cast<int>(row.videos.size()) - row.failed;
  return row.failed > 0 ? fmt::format("{} of {}", good, row.videos.size())
                        : fmt::format("{}", good);
}

std::string ScoreCell(const ReportRow& row, const MetricInfo& metric) {
  const ReportMetric* pooled = Find(row.scores, metric.name);
  if (!pooled)
    return std::string(row.policy == "none" && metric.needs_reference ? kBlank : kMissing);
  return MeanText(*pooled, metric.digits);
}

Cells MeasuredLine(const Report& report, const ReportRow& row) {
  Cells cells = {
      RowLabel(row),
      VideoCount(row),
      row.calls > 0 ? fmt::format("{} / {}", Fixed(row.computed_mean, 1), row.calls)
                    : std::string(kMissing),
      std::string(kMissing),
      row.speedup_total.value > 0 ? SpeedupText(row.speedup_total) : std::string(kMissing),
      row.total.n > 0 ? Fixed(row.total.median, 3) : std::string(kMissing),
      std::string(kMissing)};
  for (const MetricInfo& metric : FurtherMetrics(report)) cells.push_back(ScoreCell(row, metric));
  for (const std::string_view name : kOfPaper) {
    cells.push_back(ScoreCell(row, MetricOf(report, name)));
  }
  return cells;
}

Cells PublishedLine(const Report& report, const Cells& row) {
  const auto cell = [&row](size_t field, const char* unit = "") {
    return row[field].empty() ? std::string(kBlank) : row[field] + unit;
  };
  Cells cells = {row[1] + " " + std::string(kDagger),
                 std::string(kBlank),
                 std::string(kBlank),
                 cell(2),
                 cell(3, "×"),
                 cell(4),
                 cell(5)};
  cells.insert(cells.end(), FurtherMetrics(report).size(), std::string(kBlank));
  for (const size_t field : {6, 7, 8}) cells.push_back(cell(field));
  return cells;
}

std::vector<Cells> Lines(const Report& report, const ReportModel& model) {
  std::vector<Cells> lines;
  for (const ReportRow& row : report.rows) {
    if (row.model == model.name) lines.push_back(MeasuredLine(report, row));
  }
  for (const Cells& row : PublishedRows(model.name)) lines.push_back(PublishedLine(report, row));
  return lines;
}

std::vector<std::string> NotesFor(const Report& report, bool any_published) {
  std::vector<std::string> notes = {
      "FLOPs are n/a: they are not counted here; computed calls of "
      "the transformer stand for them."};
  std::vector<std::string> dimensions;
  for (const MetricInfo& metric : report.metrics) {
    if (!metric.needs_reference) dimensions.push_back(metric.label);
  }
  notes.push_back(
      dimensions.empty()
          ? "VBench is n/a: none of its dimensions was computed (--vbench)."
          : fmt::format("VBench is n/a: its total needs all 16 dimensions with VBench's own "
                        "prompts (vbench-score); computed here: {}.",
                        Listed(dimensions)));
  for (const std::string_view name : kOfPaper) {
    if (FindMetric(report.metrics, name)) continue;
    notes.push_back(fmt::format("{} is n/a: it was left out.", MetricOf(report, name).label));
  }
  if (any_published) {
    notes.push_back(
        fmt::format("{} published, not measured here: table 1 of arXiv:2411.19108v2, one A800 of "
                    "80 GB, VBench's prompts. Speed-up and scores here are of other prompts, and "
                    "seconds of another machine.",
                    kDagger));
  }
  return notes;
}

std::string MarkdownLine(const Cells& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + MarkdownText(cell) + " |";
  return line + "\n";
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string LatexText(std::string_view plain) {
  std::string text;
  for (const char c : plain) {
    if (std::string_view("&%$#_{}").find(c) != std::string_view::npos) {
      text += '\\';
      text += c;
    } else if (c == '\\') {
      text += "\\textbackslash{}";
    } else if (c == '~' || c == '^') {
      text += fmt::format("\\{}{{}}", c);
    } else {
      text += c == '\n' ? ' ' : c;
    }
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kSigns = {
      {{"×", "$\\times$"},
       {"–", "--"},
       {"−", "$-$"},
       {"↑", "$\\uparrow$"},
       {"↓", "$\\downarrow$"},
       {"Δ", "$\\Delta$"},
       {"†", "$\\dagger$"},
       {"²", "$^2$"}}};
  for (const auto& [sign, command] : kSigns) text = Replaced(std::move(text), sign, command);
  return text;
}

std::string LatexLine(const Cells& cells) {
  std::string line;
  for (const std::string& cell : cells) line += (line.empty() ? "" : " & ") + LatexText(cell);
  return line + " \\\\\n";
}

}  // namespace

std::string MarkdownText(std::string_view text) {
  static constexpr std::string_view kSpecial = "\\`*_<[]|~&";
  std::string escaped;
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    if (kSpecial.find(c) != std::string_view::npos) escaped += '\\';
    escaped += control ? ' ' : c;
  }
  return escaped;
}

std::string PaperTableMarkdown(const Report& report, const ReportModel& model) {
  const Cells head = Head(report);
  std::string text = MarkdownLine(head) + "|";
  for (size_t i = 0; i < head.size(); ++i) text += "---|";
  text += "\n";
  for (const Cells& line : Lines(report, model)) text += MarkdownLine(line);
  text += "\n";
  for (const std::string& note : NotesFor(report, !PublishedRows(model.name).empty())) {
    text += fmt::format("* {}\n", note);
  }
  return text;
}

std::string PaperTableLatex(const Report& report) {
  const Cells head = Head(report);
  std::string text =
      "% Needs \\usepackage{booktabs} and UTF-8 input.\n\\begin{table*}\n\\centering\n";
  text += fmt::format("\\begin{{tabular}}{{l{}}}\n\\toprule\n", std::string(head.size() - 1, 'r'));
  text += LatexLine(head);
  bool any_published = false;
  for (const ReportModel& model : report.models) {
    text += fmt::format("\\midrule\n\\multicolumn{{{}}}{{c}}{{{}}} \\\\\n\\midrule\n",
                        head.size(),
                        LatexText(model.name));
    for (const Cells& line : Lines(report, model)) text += LatexLine(line);
    any_published = any_published || !PublishedRows(model.name).empty();
  }
  text += "\\bottomrule\n\\end{tabular}\n";
  std::string caption =
      ReportTitle(report) +
      ". Means over the test videos against the uncached ones, 95 % intervals in brackets.";
  for (const std::string& note : NotesFor(report, any_published)) caption += " " + note;
  return text + fmt::format("\\caption{{{}}}\n\\end{{table*}}\n", LatexText(caption));
}

}  // namespace teacache
