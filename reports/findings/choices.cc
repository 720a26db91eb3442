#include "reports/findings/choices.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "reports/findings/summaries.h"

namespace teacache {
namespace {

// Below it the worst 5 % are less than one video.
constexpr int kFewestForShare = 20;

int Scored(const ReportRow& row) {
  const ReportMetric* pooled = Find(row.scores, kFloorMetric);
  return pooled ? pooled->n + pooled->identical : 0;
}

// Larger is faster. Speed-ups and calls are not mixed within one choice.
double Speed(const ReportRow& row, bool by_time) {
  return by_time ? row.speedup_total.value : -row.computed_mean;
}

bool IsBetter(const SettingOption& a, const SettingOption& b, bool by_time) {
  if (a.keeps != b.keeps) return a.keeps;
  if (!a.keeps) return a.worst > b.worst;
  return std::pair(Speed(*a.row, by_time), a.worst) > std::pair(Speed(*b.row, by_time), b.worst);
}

// The best row of every policy, in the order of the rows.
std::vector<SettingOption> BestOfPolicies(const Report& report,
                                          const std::string& model,
                                          bool by_time) {
  std::vector<SettingOption> options;
  for (const ReportRow& row : report.rows) {
    if (row.model != model || row.policy == "none" || Scored(row) == 0) continue;
    SettingOption option{&row, false, WorstPsnr(row), {}};
    option.keeps = option.worst >= report.context.psnr_floor;
    const auto known = std::ranges::find_if(
        options, [&row](const SettingOption& other) { return other.row->policy == row.policy; });
    if (known == options.end()) {
      options.push_back(option);
    } else if (IsBetter(option, *known, by_time)) {
      *known = option;
    }
  }
  return options;
}

}  // namespace

bool IsOfWorstVideo(const ReportRow& row) { return Scored(row) < kFewestForShare; }

double WorstPsnr(const ReportRow& row) {
  if (Scored(row) == 0) return std::numeric_limits<double>::quiet_NaN();
  const ReportMetric& pooled = row.scores.at(kFloorMetric);
  if (!IsOfWorstVideo(row) && pooled.p5) return *pooled.p5;
  double worst = std::numeric_limits<double>::infinity();
  for (const ReportVideo& video : row.videos) {
    const double* score = Find(video.scores, kFloorMetric);
    if (video.error.empty() && score) worst = std::min(worst, *score);
  }
  return worst;
}

const SettingOption* SettingChoice::best() const {
  return options.empty() || !options.front().keeps ? nullptr : &options.front();
}

const SettingOption* SettingChoice::teacache() const {
  const auto found = std::ranges::find_if(options, [](const SettingOption& option) {
    return option.keeps && option.row->policy == "teacache";
  });
  return found == options.end() ? nullptr : &*found;
}

SettingChoice ChooseSetting(const Report& report, const std::string& model) {
  const bool by_time = std::ranges::all_of(report.rows, [&model](const ReportRow& row) {
    return row.model != model || row.policy == "none" || Scored(row) == 0 ||
           row.speedup_total.value > 0;
  });
  SettingChoice choice{BestOfPolicies(report, model, by_time)};
  std::ranges::stable_sort(
      choice.options, [by_time](const auto& a, const auto& b) { return IsBetter(a, b, by_time); });
  for (size_t i = 1; i < choice.options.size(); ++i) {
    SettingOption& option = choice.options[i];
    if (option.keeps) option.behind = PairedSpeedup(*option.row, *choice.options[0].row);
  }
  return choice;
}

}  // namespace teacache
