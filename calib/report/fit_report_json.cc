#include "calib/report/fit_report_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "calib/fit/polynomial.h"

namespace teacache {
namespace {

using nlohmann::ordered_json;

// null for what JSON cannot hold.
ordered_json Number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

ordered_json RangeJson(const Interval& range) { return {Number(range.lo), Number(range.hi)}; }

ordered_json RangesJson(const std::vector<Interval>& ranges) {
  ordered_json j = ordered_json::array();
  for (const Interval& range : ranges) j.push_back(RangeJson(range));
  return j;
}

ordered_json QualityJson(const FitQuality& q) {
  return {{"n", q.n},
          {"r2", Number(q.r2)},
          {"rmse", Number(q.rmse)},
          {"mae", Number(q.mae)},
          {"pearson", Number(q.pearson)},
          {"spearman", Number(q.spearman)}};
}

ordered_json CrossValidationJson(const CrossValidation& cv) {
  return {
      {"name", cv.name}, {"r2", Number(cv.r2)}, {"rmse", Number(cv.rmse)}, {"mae", Number(cv.mae)}};
}

ordered_json CrossValidationsJson(const std::vector<CrossValidation>& all) {
  ordered_json j = ordered_json::array();
  for (const CrossValidation& cv : all) j.push_back(CrossValidationJson(cv));
  return j;
}

ordered_json FitJson(const FitSummary& fit) {
  ordered_json j;
  j["method"] = ToString(fit.method);
  j["degree"] = fit.polynomial.degree();
  j["coefficients"] = fit.polynomial.coefficients();
  j["converged"] = fit.converged;
  j["status"] = fit.status;
  j["n"] = fit.n;
  j["x_range"] = RangeJson(fit.x);
  j["y_range"] = RangeJson(fit.y);
  j["r2"] = Number(fit.r2);
  j["rmse"] = Number(fit.rmse);
  j["condition_number"] = Number(fit.condition_number);
  j["rank"] = fit.rank;
  j["scale"] = Number(fit.scale);
  j["outliers"] = fit.outliers;
  j["round_trip_error"] = Number(fit.round_trip_error);
  j["iterations"] = fit.iterations;
  return j;
}

ordered_json PairsJson(const CalibrationData& data, size_t most = SIZE_MAX) {
  ordered_json x = ordered_json::array();
  ordered_json y = ordered_json::array();
  ordered_json prompt = ordered_json::array();
  ordered_json call = ordered_json::array();
  ordered_json branch = ordered_json::array();
  ordered_json fitted = ordered_json::array();
  using Key = std::tuple<int, int64_t, int, int, int>;
  const auto key = [](const Pair& p) { return Key(p.prompt, p.seed, p.part, p.branch, p.call); };
  std::set<Key> used;
  for (const Pair& p : data.fitted.pairs) used.insert(key(p));
  for (const size_t i : EvenlyPicked(data.all.pairs.size(), most)) {
    const Pair& p = data.all.pairs[i];
    x.push_back(p.x);
    y.push_back(p.y);
    prompt.push_back(p.prompt);
    call.push_back(p.call);
    branch.push_back(p.branch);
    fitted.push_back(used.contains(key(p)));
  }
  ordered_json j;
  j["left_out"] = ordered_json::object();
  for (const auto& [reason, count] : data.all.left_out) j["left_out"][ToString(reason)] = count;
  j["prompts"] = data.all.prompts;
  j["branches"] = data.all.branches;
  j["x"] = std::move(x);
  j["y"] = std::move(y);
  j["prompt"] = std::move(prompt);
  j["call"] = std::move(call);
  j["branch"] = std::move(branch);
  j["fitted"] = std::move(fitted);
  return j;
}

ordered_json SweepJson(const std::vector<SweepPoint>& sweep) {
  ordered_json j = ordered_json::array();
  for (const SweepPoint& point : sweep) {
    j.push_back({{"threshold", point.threshold},
                 {"mean_skips", point.mean_skips},
                 {"min_skips", point.min_skips},
                 {"max_skips", point.max_skips},
                 {"longest_run", point.longest_run},
                 {"speedup", Number(point.speedup)}});
  }
  return j;
}

ordered_json ReplayJson(const CalibrationData& data,
                        const ReplaySummary& replay,
                        size_t most = SIZE_MAX) {
  ordered_json j;
  j["threshold"] = replay.threshold;
  j["calls"] = data.replay->calls;
  j["exact"] = data.replay->time_only;
  j["timed"] = data.replay->ms_call > 0;
  j["mean_skips"] = replay.mean_skips;
  j["skips_ci95"] = RangeJson(replay.skips95);
  j["min_skips"] = replay.min_skips;
  j["max_skips"] = replay.max_skips;
  j["longest_run"] = replay.longest_run;
  j["disagreement"] = replay.disagreement;
  j["speedup"] = Number(replay.speedup);
  ordered_json runs = ordered_json::array();
  for (const size_t i : EvenlyPicked(replay.runs.size(), most)) {
    const SignalRun& run = data.replay->runs[i];
    runs.push_back({{"prompt", data.replay->prompts[run.prompt]},
                    {"seed", run.seed},
                    {"branch", run.branch},
                    {"schedule", ScheduleText(run, replay.runs[i].computed)}});
  }
  j["runs"] = std::move(runs);
  return j;
}

ordered_json DiagnosticsJson(const Diagnostics& d) {
  ordered_json j;
  j["quality"] = {{"window", QualityJson(d.window)}, {"all", QualityJson(d.all)}};
  j["quality"]["window"]["r2_ci95"] = RangeJson(d.r2);
  j["quality"]["window"]["rmse_ci95"] = RangeJson(d.rmse);
  j["cross_validation"] = {{"left_out", d.groups},
                           {"groups", d.num_groups},
                           {"fit", CrossValidationJson(d.cv)},
                           {"baselines", CrossValidationsJson(d.baselines)},
                           {"degrees", CrossValidationsJson(d.degrees)}};
  ordered_json bands = ordered_json::array();
  for (const BandPoint& p : d.band) {
    bands.push_back({{"x", p.x}, {"f", Number(p.f)}, {"lo", Number(p.lo)}, {"hi", Number(p.hi)}});
  }
  j["bands"] = std::move(bands);
  ordered_json steps = ordered_json::array();
  for (const StepDiagnostics& s : d.steps) {
    steps.push_back({{"call", s.call},
                     {"step", s.step},
                     {"n", s.n},
                     {"x_mean", s.x_mean},
                     {"x_sd", s.x_sd},
                     {"y_mean", s.y_mean},
                     {"y_sd", s.y_sd},
                     {"residual_mean", Number(s.residual_mean)},
                     {"leverage", Number(s.leverage)},
                     {"r2_without", Number(s.r2_without)}});
  }
  j["steps"] = std::move(steps);
  j["carrying_call"] = d.carrying_call ? ordered_json(*d.carrying_call) : ordered_json(nullptr);
  ordered_json learning = ordered_json::array();
  for (const LearningPoint& p : d.learning) {
    learning.push_back(
        {{"prompts", p.prompts}, {"rmse", Number(p.rmse)}, {"rmse95", RangeJson(p.rmse95)}});
  }
  j["learning"] = std::move(learning);
  j["enough_prompts"] = d.enough_prompts;
  ordered_json drift = ordered_json::array();
  for (const Drift& item : d.drift) {
    drift.push_back({{"group", item.group},
                     {"groups", item.groups},
                     {"share", Number(item.share)},
                     {"largest", Number(item.largest)},
                     {"largest_name", item.largest_name}});
  }
  j["drift"] = std::move(drift);
  j["stretches"] = {{"negative", RangesJson(d.negative)}, {"decreasing", RangesJson(d.decreasing)}};
  j["verdict"] = {{"kind", ToString(d.verdict)}, {"text", d.verdict_text}};
  return j;
}

std::string Dump(const ordered_json& j) {
  return j.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json EngineJson(const EngineRule& rule) {
  return {{"name", rule.name}, {"description", rule.description}};
}

}  // namespace

std::vector<size_t> EvenlyPicked(size_t count, size_t most) {
  std::vector<size_t> picked(std::min(count, most));
  for (size_t i = 0; i < picked.size(); ++i) {
    picked[i] = picked.size() > 1 ? i * (count - 1) / (picked.size() - 1) : 0;
  }
  return picked;
}

std::string FitReportJson(const FitCoeffsResult& result, const FitReportLimits& limits) {
  ordered_json j;
  j["format"] = "teacache-fit";
  j["version"] = 1;
  j["coefficients"] = ordered_json::parse(CoefficientsToJson(result.coefficients));
  j["engine"] = EngineJson(result.rule);
  j["threshold"] = {{"text", result.threshold_text}, {"reached", result.threshold_reached}};
  j["warnings"] = result.warnings;
  j["written"] = result.written;
  j["experts"] = ordered_json::array();
  for (const FittedExpert& expert : result.experts) {
    ordered_json e;
    e["expert"] = expert.data.expert;
    e["fit"] = FitJson(expert.fit);
    e.update(DiagnosticsJson(expert.diagnostics));
    e["engine_warnings"] = expert.engine_warnings;
    e["pairs"] = PairsJson(expert.data, limits.pairs);
    e["sweep"] = SweepJson(expert.sweep);
    e["useful_thresholds"] = nullptr;
    if (expert.useful) {
      e["useful_thresholds"] = {{"lo", expert.useful->lo},
                                {"hi", expert.useful->hi},
                                {"most_skips", expert.useful->most_skips},
                                {"text", expert.useful->text}};
    }
    e["replay"] = expert.replay ? ReplayJson(expert.data, *expert.replay, limits.runs)
                                : ordered_json(nullptr);
    e["static_mask"] = ScheduleText(expert.static_mask);
    e["engines"] = ordered_json::array();
    for (const EngineReplay& engine : expert.engines) {
      e["engines"].push_back({{"engine", engine.engine},
                              {"mean_skips", engine.point.mean_skips},
                              {"longest_run", engine.point.longest_run},
                              {"speedup", Number(engine.point.speedup)}});
    }
    e["signs"] = ordered_json::array();
    for (const SignConsequence& sign : expert.signs) {
      e["signs"].push_back({{"engines", sign.engines}, {"text", sign.text}});
    }
    j["experts"].push_back(std::move(e));
  }
  return Dump(j);
}

std::string ScoreReportJson(const ScoreResult& result) {
  ordered_json j;
  j["format"] = "teacache-score";
  j["version"] = 1;
  j["coefficients"] = result.set.coefficients;
  j["model"] = result.provenance.model;
  j["source"] = result.provenance.source;
  j["modulated"] = result.provenance.modulated;
  j["mismatch"] = result.mismatch;
  j["engine"] = EngineJson(result.rule);
  j["likenesses"] = ordered_json::array();
  for (const Likeness& likeness : result.likenesses) {
    j["likenesses"].push_back({{"name", likeness.name}, {"text", likeness.text}});
  }
  j["engine_warnings"] = result.engine_warnings;
  j["warnings"] = result.warnings;
  j["experts"] = ordered_json::array();
  for (const ScoredExpert& expert : result.experts) {
    ordered_json e;
    e["expert"] = expert.data.expert;
    e["quality"] = {{"window", QualityJson(expert.window)},
                    {"all", QualityJson(expert.all)},
                    {"refit", QualityJson(expert.refit)}};
    e["outside_range"] = expert.outside;
    e["pairs"] = PairsJson(expert.data);
    e["sweep"] = SweepJson(expert.sweep);
    e["replay"] = expert.replay ? ReplayJson(expert.data, *expert.replay) : ordered_json(nullptr);
    j["experts"].push_back(std::move(e));
  }
  return Dump(j);
}

}  // namespace teacache
