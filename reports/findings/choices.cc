#include "reports/findings/choices.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/worst_share.h"
#include "reports/findings/labels.h"
#include "reports/findings/summaries.h"

namespace teacache {
namespace {

bool IsScored(const ReportRow& row, const std::string& metric) {
  const ReportMetric* pooled = Find(row.scores, metric);
  return pooled && pooled->n + pooled->identical > 0;
}

struct Candidate {
  const ReportRow* row = nullptr;
  double worst = 0;
  bool keeps = false;
  double speed = 0;    // larger is faster; of all candidates by time, or of all by calls
  double quality = 0;  // `worst`, better when larger
};

bool IsBetter(const Candidate& a, const Candidate& b) {
  if (a.keeps != b.keeps) return a.keeps;
  if (!a.keeps) return a.quality > b.quality;
  return std::pair(a.speed, a.quality) > std::pair(b.speed, b.quality);
}

// The scored settings of `model`.
std::vector<Candidate> Candidates(const Report& report,
                                  const std::string& model,
                                  const MetricInfo& metric) {
  std::vector<Candidate> candidates;
  for (const ReportRow& row : report.rows) {
    if (row.model != model || row.policy == "none" || !IsScored(row, metric.name)) continue;
    Candidate candidate;
    candidate.row = &row;
    candidate.worst = WorstScore(row, metric);
    candidate.quality = metric.higher_is_better ? candidate.worst : -candidate.worst;
    const double floor = report.context.floor.value;
    candidate.keeps = metric.higher_is_better ? candidate.worst >= floor : candidate.worst <= floor;
    candidates.push_back(candidate);
  }
  const bool by_time = std::ranges::all_of(candidates, [](const Candidate& candidate) {
    return candidate.row->speedup_total.value > 0;
  });
  for (Candidate& candidate : candidates) {
    candidate.speed = by_time ? candidate.row->speedup_total.value : -candidate.row->computed_mean;
  }
  return candidates;
}

// The best candidate of every policy, the best first.
std::vector<Candidate> BestOfPolicies(const std::vector<Candidate>& candidates) {
  std::vector<Candidate> best;
  for (const Candidate& candidate : candidates) {
    const auto known = std::ranges::find_if(best, [&candidate](const Candidate& other) {
      return other.row->policy == candidate.row->policy;
    });
    if (known == best.end()) {
      best.push_back(candidate);
    } else if (IsBetter(candidate, *known)) {
      *known = candidate;
    }
  }
  std::ranges::stable_sort(best, IsBetter);
  return best;
}

}  // namespace

double WorstScore(const ReportRow& row, const MetricInfo& metric) {
  const ReportMetric* pooled = Find(row.scores, metric.name);
  if (!IsScored(row, metric.name)) return std::numeric_limits<double>::quiet_NaN();
  if (pooled->p5) return *pooled->p5;
  return pooled->worst.value_or(metric.best);
}

ReportFloor ParseFloor(const std::string& text) {
  ReportFloor floor;
  const size_t equals = text.find('=');
  if (equals != std::string::npos) floor.metric = text.substr(0, equals);
  const std::string number = equals == std::string::npos ? text : text.substr(equals + 1);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), floor.value);
  if (error != std::errc() || end != number.data() + number.size() || floor.metric.empty()) {
    ThrowUserError(
        "--floor", "must be METRIC=NUMBER, or a number in dB of PSNR, but is \"{}\"", text);
  }
  CheckFloor(floor);
  return floor;
}

void CheckFloor(const ReportFloor& floor) {
  if (!std::isfinite(floor.value)) {
    ThrowUserError("--floor", "must be a finite number but is {}", floor.value);
  }
}

std::vector<ReportChoice> ChooseSettings(const Report& report) {
  std::vector<ReportChoice> choices;
  const MetricInfo metric = MetricOf(report, report.context.floor.metric);
  for (const ReportModel& model : report.models) {
    const std::vector<Candidate> best = BestOfPolicies(Candidates(report, model.name, metric));
    if (best.empty()) continue;
    ReportChoice choice{model.name, metric.name, report.context.floor.value, false, {}};
    for (const Candidate& candidate : best) {
      const ReportMetric& pooled = candidate.row->scores.at(metric.name);
      ReportOption option{candidate.row->id, candidate.row->policy, candidate.keeps, {}, {}, 0, {}};
      if (std::isfinite(candidate.worst)) option.worst = candidate.worst;
      if (pooled.p5) option.worst_ci95 = pooled.p5_ci95;
      option.videos = pooled.n + pooled.identical;
      if (candidate.keeps && candidate.row != best.front().row) {
        option.behind = PairedSpeedup(*candidate.row, *best.front().row);
      }
      choice.of_worst_video =
          choice.of_worst_video || std::cmp_less(option.videos, kFewestForWorstShare);
      choice.options.push_back(std::move(option));
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

const ReportChoice* FindChoice(const Report& report, const std::string& model) {
  const auto found = std::ranges::find(report.choices, model, &ReportChoice::model);
  return found == report.choices.end() ? nullptr : &*found;
}

const ReportOption* BestOption(const ReportChoice& choice) {
  return choice.options.empty() || !choice.options.front().keeps ? nullptr
                                                                 : &choice.options.front();
}

const ReportOption* TeaCacheOption(const ReportChoice& choice) {
  const auto found = std::ranges::find_if(choice.options, [](const ReportOption& option) {
    return option.keeps && option.policy == "teacache";
  });
  return found == choice.options.end() ? nullptr : &*found;
}

}  // namespace teacache
