#include "reports/findings/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "metrics/pooling.h"
#include "reports/findings/labels.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;
using VideoKey = std::pair<std::string, int64_t>;  // prompt text, seed

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::map<VideoKey, const ReportVideo*> ByPrompt(const Report& report, const ReportRow& row) {
  std::map<VideoKey, const ReportVideo*> videos;
  for (const ReportVideo& video : row.videos) {
    if (!video.error.empty()) continue;
    videos[{report.context.test_prompts.at(video.prompt), video.seed}] = &video;
  }
  return videos;
}

double ScoreOf(const ReportVideo& video, const std::string& metric) {
  const double* score = Find(video.scores, metric);
  return score ? *score : kNone;
}

int VerdictOf(const Interval& interval, bool higher_is_better) {
  const int sign = interval.lo > 0 ? 1 : interval.hi < 0 ? -1 : 0;
  return higher_is_better ? sign : -sign;
}

// Of two values with intervals of their own: only intervals apart from each other count.
MetricChange Unpaired(const std::string& metric,
                      int digits,
                      double a,
                      double b,
                      const std::optional<Interval>& a_ci,
                      const std::optional<Interval>& b_ci,
                      bool higher_is_better) {
  MetricChange change{metric, digits, a, b, b - a, {}, 0, 0};
  const Interval from = a_ci.value_or(Interval{a, a});
  const Interval to = b_ci.value_or(Interval{b, b});
  change.ci95 = {to.lo - from.hi, to.hi - from.lo};
  change.verdict = VerdictOf(change.ci95, higher_is_better);
  return change;
}

class RowDiff {
 public:
  RowDiff(const Report& a, const ReportRow& row_a, const Report& b, const ReportRow& row_b)
      : row_a_(row_a), row_b_(row_b) {
    const auto left = ByPrompt(a, row_a);
    const auto right = ByPrompt(b, row_b);
    for (const auto& [key, video] : left) {
      const auto partner = right.find(key);
      if (partner != right.end()) common_.emplace_back(video, partner->second);
    }
  }

  void Score(const MetricInfo& metric, RowChange* row) const {
    const ReportMetric* a = Find(row_a_.scores, metric.name);
    const ReportMetric* b = Find(row_b_.scores, metric.name);
    if (!a || !b || !a->mean || !b->mean) return;
    std::vector<double> from;
    std::vector<double> to;
    for (const auto& [video_a, video_b] : common_) {
      from.push_back(ScoreOf(*video_a, metric.name));
      to.push_back(ScoreOf(*video_b, metric.name));
    }
    PoolingOptions options;
    options.higher_is_better = metric.higher_is_better;
    const PairedDifference paired = ComparePaired(to, from, options);
    if (!paired.ci95) {
      row->metrics.push_back(Unpaired(metric.name,
                                      metric.digits,
                                      *a->mean,
                                      *b->mean,
                                      a->ci95,
                                      b->ci95,
                                      metric.higher_is_better));
      return;
    }
    MetricChange change{metric.name, metric.digits, *a->mean, *b->mean, paired.mean, {}, 0, 0};
    change.ci95 = *paired.ci95;
    change.n = static_cast<int>(paired.n);
    change.verdict = VerdictOf(change.ci95, metric.higher_is_better);
    row->metrics.push_back(change);
  }

  void Cost(RowChange* row) const {
    if (row_a_.speedup_total.value > 0 && row_b_.speedup_total.value > 0 &&
        row_a_.policy != "none") {
      row->metrics.push_back(Unpaired("speed-up",
                                      2,
                                      row_a_.speedup_total.value,
                                      row_b_.speedup_total.value,
                                      row_a_.speedup_total.ci95,
                                      row_b_.speedup_total.ci95,
                                      true));
    }
    if (row_a_.computed_mean > 0 && row_b_.computed_mean > 0) {
      // Without intervals: a fact, neither better nor worse by itself.
      MetricChange calls{
          "computed calls", 1, row_a_.computed_mean, row_b_.computed_mean, 0, {}, 0, 0};
      calls.difference = calls.b - calls.a;
      calls.ci95 = {calls.difference, calls.difference};
      row->metrics.push_back(calls);
    }
  }

 private:
  const ReportRow& row_a_;
  const ReportRow& row_b_;
  std::vector<std::pair<const ReportVideo*, const ReportVideo*>> common_;
};

void Compare(const std::string& what,
             const std::string& a,
             const std::string& b,
             std::vector<std::string>* sentences) {
  if (a != b) sentences->push_back(fmt::format("{}: \"{}\" in A, \"{}\" in B", what, a, b));
}

std::vector<std::string> ContextDifferences(const Report& a, const Report& b) {
  std::vector<std::string> sentences;
  Compare("tool version", a.context.tool_version, b.context.tool_version, &sentences);
  Compare("git commit", a.context.git_commit, b.context.git_commit, &sentences);
  Compare("machine", a.context.machine, b.context.machine, &sentences);
  Compare("processor", a.context.cpu, b.context.cpu, &sentences);
  Compare("device", a.context.device, b.context.device, &sentences);
  Compare("what was scored", a.context.scored, b.context.scored, &sentences);
  if (a.context.test_prompts != b.context.test_prompts || a.context.seeds != b.context.seeds) {
    sentences.push_back("the test prompts or seeds differ; common ones are compared in pairs");
  }
  for (const ReportModel& model : a.models) {
    const ReportModel* other = FindModel(b, model.name);
    if (other && model.weights_digest != other->weights_digest) {
      sentences.push_back("the weights of " + model.name + " differ");
    }
  }
  return sentences;
}

std::string ChangeText(const RowChange& row, const MetricChange& change) {
  return fmt::format("  {}: {} {} -> {} ({}{} to {}{})\n",
                     row.id,
                     change.metric,
                     Fixed(change.a, change.digits),
                     Fixed(change.b, change.digits),
                     change.ci95.lo >= 0 ? "+" : "",
                     Fixed(change.ci95.lo, change.digits),
                     change.ci95.hi >= 0 ? "+" : "",
                     Fixed(change.ci95.hi, change.digits));
}

}  // namespace

ReportDiff DiffReports(const Report& a, const Report& b) {
  ReportDiff difference;
  std::map<std::string, const ReportRow*> rows_b;
  for (const ReportRow& row : b.rows) rows_b[row.id] = &row;
  for (const ReportRow& row_a : a.rows) {
    const auto found = rows_b.find(row_a.id);
    if (found == rows_b.end()) {
      difference.only_a.push_back(row_a.id);
      continue;
    }
    RowChange row{row_a.id, RowLabel(row_a), {}};
    const RowDiff diff(a, row_a, b, *found->second);
    for (const MetricInfo& metric : a.metrics) diff.Score(metric, &row);
    diff.Cost(&row);
    difference.rows.push_back(std::move(row));
    rows_b.erase(found);
  }
  for (const ReportRow& row : b.rows) {
    if (rows_b.contains(row.id)) difference.only_b.push_back(row.id);
  }
  difference.context = ContextDifferences(a, b);
  return difference;
}

std::string DifferenceText(const ReportDiff& difference) {
  std::string better;
  std::string worse;
  int same = 0;
  for (const RowChange& row : difference.rows) {
    for (const MetricChange& change : row.metrics) {
      if (change.metric == "computed calls") continue;
      if (change.verdict > 0) better += ChangeText(row, change);
      if (change.verdict < 0) worse += ChangeText(row, change);
      same += change.verdict == 0;
    }
  }
  std::string text;
  text +=
      better.empty() ? "Nothing became better beyond the intervals.\n" : "Better in B:\n" + better;
  text += worse.empty() ? "Nothing became worse beyond the intervals.\n" : "Worse in B:\n" + worse;
  text += fmt::format(
      "{} figures of {} settings cannot be distinguished.\n", same, difference.rows.size());
  if (!difference.only_a.empty()) {
    text += fmt::format("Only in A: {}\n", fmt::join(difference.only_a, ", "));
  }
  if (!difference.only_b.empty()) {
    text += fmt::format("Only in B: {}\n", fmt::join(difference.only_b, ", "));
  }
  for (const std::string& sentence : difference.context) text += "Note: " + sentence + "\n";
  return text;
}

std::string DifferenceJson(const ReportDiff& difference) {
  ordered_json j;
  j["format"] = "teacache-sweep-diff";
  j["version"] = 1;
  j["rows"] = ordered_json::array();
  for (const RowChange& row : difference.rows) {
    ordered_json metrics = ordered_json::array();
    for (const MetricChange& change : row.metrics) {
      metrics.push_back({{"metric", change.metric},
                         {"a", change.a},
                         {"b", change.b},
                         {"difference", change.difference},
                         {"ci95", {change.ci95.lo, change.ci95.hi}},
                         {"n", change.n},
                         {"verdict", change.verdict}});
    }
    j["rows"].push_back({{"id", row.id}, {"label", row.label}, {"metrics", metrics}});
  }
  j["only_a"] = difference.only_a;
  j["only_b"] = difference.only_b;
  j["context"] = difference.context;
  return j.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace teacache
