// Charts of which calls were computed.
#include <fmt/format.h>

#include <algorithm>

#include "reports/charts/figure_parts.h"
#include "reports/findings/labels.h"

namespace teacache {
namespace {

using Json = FigureJson;

constexpr size_t kMostRows = 400;  // lines of a map that the eye can still tell apart

// Per call, over the good videos with a schedule: in how many it was computed, and in how many live
// and replayed schedule differ.
struct CallCounts {
  int videos = 0;
  std::vector<int> computed;
  int replayed_videos = 0;  // that have both schedules
  std::vector<int> live_only;
  std::vector<int> replay_only;
};

CallCounts Count(const ReportRow& row) {
  CallCounts counts;
  const size_t calls = static_cast<size_t>(row.calls);
  counts.computed.resize(calls);
  counts.live_only.resize(calls);
  counts.replay_only.resize(calls);
  for (const ReportVideo& video : row.videos) {
    if (calls == 0 || !video.error.empty() || video.computed.size() != calls) continue;
    ++counts.videos;
    const bool both = video.replayed.size() == calls;
    counts.replayed_videos += both ? 1 : 0;
    for (size_t call = 0; call < calls; ++call) {
      counts.computed[call] += video.computed[call] ? 1 : 0;
      if (!both || video.computed[call] == video.replayed[call]) continue;
      ++(video.computed[call] ? counts.live_only : counts.replay_only)[call];
    }
  }
  return counts;
}

// Lines from bottom to top: baselines below, TeaCache above, each by computed calls.
std::vector<const ReportRow*> MapRows(const Report& report, const std::string& model) {
  std::vector<const ReportRow*> rows;
  for (const ReportRow& row : report.rows) {
    if (row.model == model && row.policy != "none" && row.policy != "steps" &&
        Count(row).videos > 0) {
      rows.push_back(&row);
    }
  }
  std::ranges::stable_sort(rows, [](const ReportRow* a, const ReportRow* b) {
    const bool a_teacache = a->policy == "teacache";
    const bool b_teacache = b->policy == "teacache";
    if (a_teacache != b_teacache) return b_teacache;
    if (a->policy != b->policy) return a->policy > b->policy;
    return a->computed_mean < b->computed_mean;
  });
  return EvenlyPicked(rows, kMostRows);
}

// One line per row; `share` gives the value of each call, `text` what hovering says of it.
Json Map(const std::vector<const ReportRow*>& rows,
         const std::function<double(const CallCounts&, int call)>& share,
         const std::function<std::string(const CallCounts&, int call)>& text) {
  Json trace = Trace("heatmap", "");
  trace["z"] = Json::array();
  trace["text"] = Json::array();
  int calls = 0;
  for (const ReportRow* row : rows) calls = std::max(calls, row->calls);
  for (int call = 0; call < calls; ++call) trace["x"].push_back(call);
  for (const ReportRow* row : rows) {
    const CallCounts counts = Count(*row);
    Json line = Json::array();
    Json texts = Json::array();
    for (int call = 0; call < row->calls; ++call) {
      line.push_back(share(counts, call));
      texts.push_back(text(counts, call));
    }
    trace["y"].push_back(trace["y"].size());
    trace["z"].push_back(std::move(line));
    trace["text"].push_back(std::move(texts));
    trace["customdata"].push_back(std::vector<std::string>(row->calls, row->id));
  }
  trace["xgap"] = 1;
  trace["ygap"] = rows.size() > 100 ? 0 : 2;
  return trace;
}

Json MapLayout(const std::vector<const ReportRow*>& rows) {
  Json layout = Layout("transformer call", "");
  layout["xaxis"]["showgrid"] = false;
  layout["yaxis"] = RowAxis(rows);
  const int line = rows.size() > 60 ? 4 : 22;
  layout["height"] = std::max<int>(320, 110 + line * static_cast<int>(rows.size()));
  return layout;
}

std::string Picked(size_t shown, const Report& report) {
  return shown < kMostRows || report.rows.size() <= kMostRows
             ? ""
             : fmt::format(" {} lines, evenly picked from all settings.", shown);
}

}  // namespace

Figure SkipMapFigure(const Report& report, const std::string& model) {
  Figure figure = ModelFigure(report, model, "skip-map", "Which calls are computed");
  const std::vector<const ReportRow*> rows = MapRows(report, model);
  figure.caption =
      "Every line is a setting, every column a transformer call; the fuller the colour, the larger "
      "the share of videos in which the call was computed. The others were taken from the cache." +
      Picked(rows.size(), report);
  figure.wide = true;
  if (rows.empty()) return figure;
  Json trace = Map(
      rows,
      [](const CallCounts& counts, int call) {
        return static_cast<double>(counts.computed[call]) / counts.videos;
      },
      [](const CallCounts& counts, int call) {
        return fmt::format("computed in {} of {} videos", counts.computed[call], counts.videos);
      });
  trace["zmin"] = 0;
  trace["zmax"] = 1;
  trace["colorscale"] = {{0, "rgba(47,127,224,0.10)"}, {1, "rgba(47,127,224,1)"}};
  trace["colorbar"] = {{"title", {{"text", "computed in"}, {"side", "right"}}},
                       {"tickformat", ".0%"},
                       {"thickness", 10},
                       {"outlinewidth", 0}};
  figure.variants = {{"", "", Dump(Json::array({trace}), MapLayout(rows))}};
  return figure;
}

Figure ReplayFigure(const Report& report, const std::string& model) {
  Figure figure =
      ModelFigure(report, model, "replay", "Where the live schedule differs from the replayed one");
  figure.caption =
      "fit-coeffs replays the rule on the signal of uncached runs; live, skipped calls change the "
      "signal that follows. Blue calls were computed live only, orange ones in the replay only; "
      "pale ones agree.";
  figure.wide = true;
  std::vector<const ReportRow*> rows = MapRows(report, model);
  size_t differing = 0;
  std::erase_if(rows, [&differing](const ReportRow* row) {
    const CallCounts counts = Count(*row);
    for (int call = 0; call < row->calls; ++call) {
      differing += counts.live_only[call] + counts.replay_only[call];
    }
    return counts.replayed_videos == 0;
  });
  if (rows.empty() || differing == 0) return figure;
  Json trace = Map(
      rows,
      [](const CallCounts& counts, int call) {
        return static_cast<double>(counts.live_only[call] - counts.replay_only[call]) /
               counts.replayed_videos;
      },
      [](const CallCounts& counts, int call) {
        return fmt::format("computed live only in {}, in the replay only in {} of {} videos",
                           counts.live_only[call],
                           counts.replay_only[call],
                           counts.replayed_videos);
      });
  trace["zmin"] = -1;
  trace["zmax"] = 1;
  trace["colorscale"] = {{0, "rgba(217,102,31,1)"},
                         {0.499, "rgba(217,102,31,0.07)"},
                         {0.501, "rgba(47,127,224,0.07)"},
                         {1, "rgba(47,127,224,1)"}};
  trace["colorbar"] = {{"title", {{"text", "computed"}, {"side", "right"}}},
                       {"tickvals", {-1, 0, 1}},
                       {"ticktext", {"replay only", "same", "live only"}},
                       {"thickness", 10},
                       {"outlinewidth", 0}};
  figure.variants = {{"", "", Dump(Json::array({trace}), MapLayout(rows))}};
  return figure;
}

}  // namespace teacache
