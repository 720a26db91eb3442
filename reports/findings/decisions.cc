#include "reports/findings/decisions.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "calib/replay/threshold.h"
#include "reports/findings/labels.h"

namespace teacache {
namespace {

// A row as a point: both coordinates are better when larger.
struct Point {
  const ReportRow* row = nullptr;
  double speedup = 1;
  double quality = 0;
};

constexpr double kPerfect = std::numeric_limits<double>::infinity();

// Better when larger.
std::optional<double> QualityOf(const ReportRow& row, const MetricInfo& metric) {
  const ReportMetric* pooled = Find(row.scores, metric.name);
  if (!pooled) return std::nullopt;
  if (!pooled->mean) return pooled->identical > 0 ? std::optional(kPerfect) : std::nullopt;
  return metric.higher_is_better ? *pooled->mean : -*pooled->mean;
}

std::vector<Point> Points(const Report& report,
                          const std::string& model,
                          const MetricInfo& metric) {
  std::vector<Point> points;
  for (const ReportRow& row : report.rows) {
    if (row.model != model || row.policy == "none" || !(row.speedup_total.value > 0)) continue;
    if (const auto quality = QualityOf(row, metric)) {
      points.push_back({&row, row.speedup_total.value, *quality});
    }
  }
  return points;
}

// The point farthest above the line from the first to the last; -1 when there is none.
int KneeOf(const std::vector<Point>& front) {
  std::vector<const Point*> finite;
  for (const Point& point : front) {
    if (point.quality != kPerfect) finite.push_back(&point);
  }
  if (finite.size() < 3) return -1;
  const Point& first = *finite.front();
  const Point& last = *finite.back();
  const double width = last.speedup - first.speedup;
  const double height = first.quality - last.quality;
  if (!(width > 0) || !(height > 0)) return -1;
  const Point* best = nullptr;
  double farthest = 0;
  for (const Point* point : finite) {
    const double above =
        (point->speedup - first.speedup) / width + (point->quality - last.quality) / height - 1;
    if (above <= farthest) continue;
    farthest = above;
    best = point;
  }
  return best ? static_cast<int>(best - front.data()) : -1;
}

using VideoKey = std::pair<int, int64_t>;  // prompt, seed

std::map<VideoKey, double> ScoreByVideo(const ReportRow& row, const std::string& metric) {
  std::map<VideoKey, double> values;
  for (const ReportVideo& video : row.videos) {
    if (!video.error.empty()) continue;
    if (const double* score = Find(video.scores, metric)) {
      values[{video.prompt, video.seed}] = *score;
    } else if (video.identical) {
      values[{video.prompt, video.seed}] = kPerfect;
    }
  }
  return values;
}

std::vector<QualityPoint> CommonPoints(const std::vector<const ReportRow*>& rows,
                                       const std::string& metric) {
  std::vector<std::map<VideoKey, double>> values;
  for (const ReportRow* row : rows) values.push_back(ScoreByVideo(*row, metric));
  std::vector<QualityPoint> points;
  for (size_t r = 0; r < rows.size(); ++r) points.push_back({*rows[r]->threshold, {}});
  for (const auto& [key, unused] : values.front()) {
    const bool everywhere = std::ranges::all_of(
        values, [&key](const std::map<VideoKey, double>& map) { return map.contains(key); });
    if (!everywhere) continue;
    for (size_t r = 0; r < rows.size(); ++r) points[r].values.push_back(values[r].at(key));
  }
  return points;
}

ReportDecision Decide(const Report& report,
                      const ReportModel& model,
                      const std::string& fit,
                      const ReportFloor& floor) {
  ReportDecision decision;
  decision.model = model.name;
  decision.fit = fit;
  decision.metric = floor.metric;
  decision.target = floor.value;
  std::vector<const ReportRow*> rows;
  std::set<double> thresholds;
  for (const ReportRow& row : report.rows) {
    if (row.model != model.name || row.policy != "teacache" || row.fit != fit || !row.threshold) {
      continue;
    }
    if (!row.scores.contains(floor.metric) || !thresholds.insert(*row.threshold).second) continue;
    rows.push_back(&row);
  }
  if (rows.empty()) return decision;
  std::ranges::sort(rows, {}, [](const ReportRow* row) { return *row->threshold; });
  const std::vector<QualityPoint> points = CommonPoints(rows, floor.metric);
  if (points.front().values.empty()) {
    decision.text = "The thresholds have no scored video in common, so none can be chosen.";
    return decision;
  }
  const bool higher = MetricOf(report, floor.metric).higher_is_better;
  const QualityChoice choice =
      ChooseThresholdForQuality(points, {floor.metric, floor.value, /*worst=*/true, higher});
  decision.reached = choice.reached;
  decision.threshold = choice.threshold;
  if (choice.reached) {
    decision.ci95 = choice.threshold95;
    for (const ReportRow* row : rows) {
      if (*row->threshold <= choice.threshold * (1 + 1e-9)) decision.row = row->id;
    }
  }
  decision.text = choice.text;
  return decision;
}

}  // namespace

ReportFront ParetoFront(const Report& report, const std::string& model, const std::string& metric) {
  ReportFront front{model, metric, {}, ""};
  std::vector<Point> points = Points(report, model, MetricOf(report, metric));
  // Fastest first; of equals the best. A point belongs to the front when it is better than every
  // faster one.
  std::ranges::stable_sort(points, [](const Point& a, const Point& b) {
    return a.speedup != b.speedup ? a.speedup > b.speedup : a.quality > b.quality;
  });
  std::vector<Point> kept;
  for (const Point& point : points) {
    if (kept.empty() || point.quality > kept.back().quality) kept.push_back(point);
  }
  std::ranges::reverse(kept);
  for (const Point& point : kept) front.rows.push_back(point.row->id);
  if (const int knee = KneeOf(kept); knee >= 0) front.knee = kept[knee].row->id;
  return front;
}

std::vector<ReportFront> ParetoFronts(const Report& report) {
  std::vector<ReportFront> fronts;
  for (const ReportModel& model : report.models) {
    for (const MetricInfo& metric : report.metrics) {
      if (!metric.needs_reference) continue;
      ReportFront front = ParetoFront(report, model.name, metric.name);
      if (!front.rows.empty()) fronts.push_back(std::move(front));
    }
  }
  return fronts;
}

std::vector<ReportDecision> ChooseThresholds(const Report& report, const ReportFloor& floor) {
  std::vector<ReportDecision> decisions;
  for (const ReportModel& model : report.models) {
    std::vector<std::string> fits;
    for (const ReportRow& row : report.rows) {
      if (row.model == model.name && row.policy == "teacache" && row.threshold &&
          row.scores.contains(floor.metric) && std::ranges::find(fits, row.fit) == fits.end()) {
        fits.push_back(row.fit);
      }
    }
    for (const std::string& fit : fits) {
      decisions.push_back(Decide(report, model, fit, floor));
    }
  }
  return decisions;
}

bool TellsApart(const Report& report, const std::string& model, const MetricInfo& metric) {
  double last_lo = -kPerfect;
  double first_hi = kPerfect;
  int rows = 0;
  for (const ReportRow& row : report.rows) {
    const ReportMetric* pooled = Find(row.scores, metric.name);
    if (row.model != model || row.policy == "none" || !pooled || !pooled->ci95) continue;
    last_lo = std::max(last_lo, pooled->ci95->lo);
    first_hi = std::min(first_hi, pooled->ci95->hi);
    ++rows;
  }
  return rows < 2 || last_lo > first_hi;
}

}  // namespace teacache
