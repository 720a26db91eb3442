#include "reports/findings/join.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "datasets/base/error.h"
#include "reports/findings/summaries.h"

namespace teacache {
namespace {

template <typename T>
void AddMissing(const std::vector<T>& from, std::vector<T>* to) {
  for (const T& value : from) {
    if (std::ranges::find(*to, value) == to->end()) to->push_back(value);
  }
}

std::string Located(const std::string& folder, const std::string& path) {
  return folder.empty() || path.empty() || path.starts_with("/") ? path : folder + "/" + path;
}

// "shapes", "shapes-2", ...
std::string UnusedName(const std::string& name, const std::set<std::string>& used) {
  std::string unused = name;
  for (int i = 2; used.contains(unused); ++i) unused = fmt::format("{}-{}", name, i);
  return unused;
}

class Joiner {
 public:
  void Add(FoundReport found) {
    Report& report = found.report;
    std::map<std::string, std::string> names;
    for (ReportModel& model : report.models) {
      const std::string name = UnusedName(model.name, models_);
      models_.insert(name);
      names[model.name] = name;
      model.name = name;
    }
    const auto renamed = [&names](const std::string& name) {
      const auto it = names.find(name);
      return it == names.end() ? name : it->second;
    };
    for (ReportFit& fit : report.fits) fit.model = renamed(fit.model);
    ReportContext& context = joined_.context;
    AddMissing(report.context.test_prompts, &context.test_prompts);
    AddMissing(report.context.fit_prompts, &context.fit_prompts);
    AddMissing(report.context.seeds, &context.seeds);
    AddMissing(report.context.warnings, &context.warnings);
    for (ReportRow& row : report.rows) {
      row.model = renamed(row.model);
      row.id = row.model + "." + row.id;
      if (!row.matches.empty()) row.matches = row.model + "." + row.matches;
      for (ReportVideo& video : row.videos) {
        video.path = Located(found.folder, video.path);
        video.scored_path = Located(found.folder, video.scored_path);
        const std::string& prompt = report.context.test_prompts.at(video.prompt);
        video.prompt = static_cast<int>(std::ranges::find(context.test_prompts, prompt) -
                                        context.test_prompts.begin());
      }
    }
    MovePairs(report.context.fit_prompts, &report.fits);
    for (const MetricInfo& metric : report.metrics) {
      if (FindMetric(joined_.metrics, metric.name) == nullptr) joined_.metrics.push_back(metric);
    }
    std::ranges::stable_partition(joined_.metrics, &MetricInfo::needs_reference);
    Move(&report.models, &joined_.models);
    Move(&report.fits, &joined_.fits);
    Move(&report.rows, &joined_.rows);
  }

  Report joined_;

 private:
  void MovePairs(const std::vector<std::string>& prompts, std::vector<ReportFit>* fits) {
    const std::vector<std::string>& all = joined_.context.fit_prompts;
    for (ReportFit& fit : *fits) {
      for (ReportPair& pair : fit.pairs) {
        if (pair.prompt < 0 || pair.prompt >= std::ssize(prompts)) continue;
        pair.prompt = static_cast<int>(std::ranges::find(all, prompts[pair.prompt]) - all.begin());
      }
    }
  }

  template <typename T>
  static void Move(std::vector<T>* from, std::vector<T>* to) {
    std::ranges::move(*from, std::back_inserter(*to));
  }

  std::set<std::string> models_;
};

}  // namespace

Report JoinReports(std::vector<FoundReport> reports) {
  if (reports.empty()) ThrowUserError("report", "must be at least one but none is given");
  Joiner joiner;
  joiner.joined_.context = reports.front().report.context;
  ReportContext& context = joiner.joined_.context;
  context.test_prompts.clear();
  context.fit_prompts.clear();
  context.seconds = 0;
  context.title.clear();
  context.prompts_asked = 0;
  for (const FoundReport& found : reports) {
    context.seconds += found.report.context.seconds;
    context.load = std::max(context.load, found.report.context.load);
    context.load_end = std::max(context.load_end, found.report.context.load_end);
    if (found.report.context.timed_runs < context.timed_runs) {
      context.timed_runs = found.report.context.timed_runs;
    }
  }
  for (FoundReport& found : reports) joiner.Add(std::move(found));
  SummarizeReport(&joiner.joined_);
  return std::move(joiner.joined_);
}

}  // namespace teacache
