#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "calib/emitters/emit.h"
#include "calib/fit_coeffs.h"
#include "calib/fit_coeffs_options.h"
#include "calib/plan/plan_schedules.h"
#include "calib/report/fit_report_json.h"
#include "calib/report/fit_report_text.h"
#include "datasets/base/files.h"
#include "datasets/base/message.h"
#include "datasets/base/outputs.h"
#include "datasets/base/program.h"
#include "reports/pages/fit_page.h"

namespace {

using teacache::FitCoeffsArguments;

// `json` makes the JSON, which is large, where it is asked for.
void Print(const std::string& text,
           const std::function<std::string()>& json,
           const std::vector<std::string>& warnings,
           const std::string& json_path) {
  for (const std::string& warning : warnings)
    fmt::print(stderr, "warning: {}\n", teacache::OneLine(warning));
  if (json_path == "-") {
    fmt::print("{}", json());
    return;
  }
  if (!json_path.empty()) teacache::AtomicWriteFile(json_path, json());
  fmt::print("{}", text);
}

// Before any work. Coefficients may be a name or numbers instead of a file.
teacache::OutputCheck CheckOutputs(const FitCoeffsArguments& a) {
  teacache::OutputCheck check;
  check.OwnedBy(a.owner);
  for (const std::string& file : a.fit.input.files) check.Reads("files", file);
  for (const std::string& file : a.fit.threshold.results) check.Reads("--sweep", file);
  check.Reads("--coeffs", a.coefficients);
  check.WritesFile("--out", a.fit.out);
  check.WritesFile("--report", a.report);
  check.WritesFile("--json", a.json == "-" ? "" : a.json);
  for (const std::string& format : std::set(a.fit.emit.begin(), a.fit.emit.end())) {
    for (const std::string& name : teacache::EmittedNames(format)) {
      check.WritesFile("--emit " + format, a.fit.emit_folder + "/" + name);
    }
  }
  check.Run();
  for (const std::string& path : {a.report, a.json}) teacache::CheckFolderOf(path);
  check.Begin();
  return check;
}

int Fit(FitCoeffsArguments* a) {
  teacache::FinishFitOptions(a);
  const teacache::OutputCheck check = CheckOutputs(*a);
  const teacache::FitCoeffsResult result = teacache::RunFitCoeffs(a->fit);
  if (!a->report.empty()) teacache::WriteFitPage(a->report, result);
  Print(
      FitReportText(result), [&] { return FitReportJson(result); }, result.warnings, a->json);
  check.Finish();
  for (const std::string& path : result.written) fmt::print(stderr, "wrote {}\n", path);
  return result.threshold_reached ? 0 : 1;
}

int Score(FitCoeffsArguments* a) {
  teacache::FinishInputOptions(a);
  const teacache::OutputCheck check = CheckOutputs(*a);
  teacache::ScoreCoefficientsOptions options;
  options.input = a->fit.input;
  options.coefficients = a->coefficients;
  options.threshold = a->fit.threshold.threshold;
  const teacache::ScoreResult result = teacache::RunScore(options);
  Print(
      ScoreReportText(result), [&] { return ScoreReportJson(result); }, result.warnings, a->json);
  check.Finish();
  return 0;
}

int Plan(const teacache::PlanArguments& a) {
  FinishPlanOptions(a);
  teacache::OutputCheck check;
  check.OwnedBy(a.owner);
  for (const std::string& file : a.plan.costs) check.Reads("costs", file);
  for (const std::string& file : a.plan.outcomes) check.Reads("--outcome", file);
  check.Reads("--request", a.request);
  check.WritesFile("--out", a.out);
  for (const std::string& format : std::set(a.emit.begin(), a.emit.end())) {
    for (const std::string& name : teacache::EmittedPlanNames(format)) {
      check.WritesFile("--emit " + format, a.emit_folder + "/" + name);
    }
  }
  check.Run();
  teacache::CheckFolderOf(a.out);
  check.Begin();
  const teacache::PlanResult result = teacache::PlanSchedules(a.plan);
  std::vector<teacache::EmittedFile> emitted;
  for (const std::string& format : a.emit) {
    for (auto& file : teacache::EmitPlan(format, result.plan, a.request)) emitted.push_back(file);
  }
  if (!a.out.empty()) teacache::WriteSchedulePlan(a.out, result.plan);
  std::vector<std::string> written;
  if (!emitted.empty()) written = teacache::WriteEmitted(a.emit_folder, emitted);
  Print(PlanText(result), {}, result.warnings, "");
  check.Finish();
  if (!a.out.empty()) written.insert(written.begin(), a.out);
  for (const std::string& path : written) fmt::print(stderr, "wrote {}\n", path);
  return 0;
}

int List() {
  fmt::print("engines (--engine):\n");
  for (const auto& rule : teacache::EngineRules()) {
    fmt::print("  {:<18} {}\n", rule.name, rule.description);
  }
  fmt::print("formats (--emit):\n");
  for (const auto& format : teacache::EmitFormats()) {
    fmt::print("  {:<18} {}\n", format.name, format.description);
  }
  fmt::print("published coefficients (score --coeffs):\n");
  for (const auto& set : teacache::PublishedSets()) {
    const std::string sampler = set.sampler.empty() ? "" : fmt::format("; {}", set.sampler);
    const std::string threshold =
        set.threshold > 0 ? fmt::format(", threshold {}", set.threshold) : "";
    fmt::print("  {:<22} {} (x: {}{}{}; {})\n",
               set.name,
               set.title,
               set.signal,
               sampler,
               threshold,
               set.source);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Fits the polynomial of TeaCache, y = f(x): x is the relative L1 change of the model's "
      "modulated input from one call to the next, y that of the blocks' residual. Prints the "
      "coefficients, highest power first, a verdict whether they are worth using, and why. R2 is 1 "
      "for a perfect prediction, 0 for one no better than the mean, and can be negative; figures "
      "of prompts left out are of prompts that the fit has not seen. Exit code 1: the target of "
      "the threshold cannot be reached.",
      "fit-coeffs");
  app.footer(
      "Examples:\n"
      "  fit-coeffs trace.jsonl --degree auto --report fit.html\n"
      "  fit-coeffs trace*.jsonl --target-speedup 1.5 --out coeffs.json --emit vllm-omni,sglang\n"
      "  fit-coeffs trace.jsonl --target-psnr 30 --worst --sweep 0.1=a.json --sweep 0.2=b.json\n"
      "  fit-coeffs score --coeffs flux.1-dev --threshold 0.4 pairs.csv\n"
      "  fit-coeffs plan costs.jsonl --budget 15,10,6 --out plan.json");
  FitCoeffsArguments fit_arguments;
  FitCoeffsArguments score_arguments;
  CLI::App* score = app.add_subcommand("score", "Judges given coefficients on a trace");
  teacache::PlanArguments plan_arguments;
  CLI::App* plan = app.add_subcommand(
      "plan", "Plans which calls are computed, from what skipping segments of calls costs");
  CLI::App* list = app.add_subcommand("list", "Lists engines, formats and published coefficients");
  app.require_subcommand(0, 1);
  teacache::AddInputOptions(&app, &fit_arguments);
  teacache::AddFitOptions(&app, &fit_arguments);
  teacache::AddThresholdOptions(&app, &fit_arguments);
  score
      ->add_option("--coeffs",
                   score_arguments.coefficients,
                   "A published set (see: list), numbers with the highest power first, or a file")
      ->required();
  score->add_option("--threshold",
                    score_arguments.fit.threshold.threshold,
                    "Replay the engine's rule at this threshold");
  teacache::AddInputOptions(score, &score_arguments);
  teacache::AddPlanOptions(plan, &plan_arguments);
  return teacache::RunProgram(&app, argc, argv, [&] {
    if (score->parsed()) return Score(&score_arguments);
    if (plan->parsed()) return Plan(plan_arguments);
    if (list->parsed()) return List();
    return Fit(&fit_arguments);
  });
}
