#pragma once

#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// What became better or worse from report `a` to report `b`, row by row (of equal id). Scores are
// compared video by video where both reports have the same prompt and seed, otherwise by their
// means' intervals; speed-ups by their intervals. Only what lies beyond the 95 % intervals counts.

struct MetricChange {
  std::string metric;  // "speed-up", "computed calls", or that of a score
  int digits = 4;      // decimals in texts
  double a = 0;
  double b = 0;
  double difference = 0;  // b - a; paired: mean over the common videos
  Interval ci95;          // of the difference; for unpaired values the widest that fits both
  int n = 0;              // common videos; 0 = not paired
  int verdict = 0;        // b is better (+1) or worse (-1) beyond the interval, or neither (0)
};

struct RowChange {
  std::string id;
  std::string label;
  std::vector<MetricChange> metrics;
};

struct ReportDiff {
  std::vector<RowChange> rows;      // that both have
  std::vector<std::string> only_a;  // ids
  std::vector<std::string> only_b;
  std::vector<std::string> context;  // what differs in how the two were made, in sentences
};

ReportDiff DiffReports(const Report& a, const Report& b);

// For people: what became better, what worse, and how many stayed the same.
std::string DifferenceText(const ReportDiff& difference);
// {"format": "teacache-sweep-diff", "version": 1, "rows": [...], "only_a", "only_b", "context"}
std::string DifferenceJson(const ReportDiff& difference);

}  // namespace teacache
